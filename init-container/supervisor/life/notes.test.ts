import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { containerPaths } from '../../engine/paths.ts';
import { loadState } from '../../engine/record.ts';
import { ComponentView } from '../component-view.ts';
import { Notes } from './notes.ts';

let dir: string;
vi.mock('../../../src/shared/device-paths.ts', async (original) => {
  const { devicePaths } = await original<typeof import('../../../src/shared/device-paths.ts')>();
  const paths = { ...devicePaths };
  Object.defineProperty(paths, 'containers', { get: () => dir });
  return { devicePaths: paths };
});
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-test-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

it('writes nothing about a container that another component has taken over', () => {
  const view = new ComponentView('page', 'page.2');
  const notes = new Notes(view, { event: () => undefined, changed: () => undefined, gaveUp: () => undefined });
  notes.save({ phase: 'running' });
  expect(loadState('page.2')?.phase).toBe('running');
  notes.close();
  notes.failed('too late');
  expect(loadState('page.2')?.phase).toBe('running');
  expect(existsSync(containerPaths('page').state)).toBe(false);
});

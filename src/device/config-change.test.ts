import { describe, expect, it } from 'vitest';
import { configLabel } from '../shared/definition/component-config.ts';
import { changeConfig, environmentOf } from './config-change.ts';

describe('a change of a configuration', () => {
  it('lays fields over the present ones, and removes those that are null', () => {
    const present = { net: 'host', restart: 'always' };
    expect(changeConfig(present, { fields: { restart: null, cwd: '/srv' } }, [])).toEqual({ net: 'host', cwd: '/srv' });
  });

  it('changes single variables, of the definition or else of the image', () => {
    const env = [{ name: 'A', value: 'x=y' }, { name: 'B' }];
    expect(changeConfig({}, { env }, ['PATH=/bin', 'B=2'])).toEqual({ env: ['PATH=/bin', 'A=x=y'] });
    expect(changeConfig({ env: ['A=1', 'C=3'] }, { env }, ['PATH=/bin'])).toEqual({ env: ['A=x=y', 'C=3'] });
  });

  it('takes a variable without a value for none', () => {
    const env = [{ name: 'A', value: '1' }];
    expect(changeConfig({}, { env }, ['PATH=/bin', 'EMPTY', 'B='])).toEqual({ env: ['PATH=/bin', 'B=', 'A=1'] });
  });

  it('is checked', () => {
    expect(() => changeConfig({}, { fields: { stop_grace_period: 'soon' } }, [])).toThrow(
      'the configuration is not valid: stop_grace_period: not a duration',
    );
    expect(() => changeConfig({}, { fields: { comand: ['x'] } }, [])).toThrow(/comand/);
  });
});

describe('the variables of an image', () => {
  const image = (config: object) => ({
    architecture: 'amd64' as const,
    os: 'linux' as const,
    rootfs: { type: 'layers' as const, diff_ids: [] },
    config,
  });

  it('are those of its own configuration, else its plain ones', () => {
    const Env = ['A=1'];
    expect(environmentOf(image({ Env }))).toEqual(['A=1']);
    expect(environmentOf(image({ Env, Labels: { [configLabel]: '{"env":["B=2"]}' } }))).toEqual(['B=2']);
    expect(environmentOf(image({ Env, Labels: { [configLabel]: '{' } }))).toEqual(['A=1']);
    expect(environmentOf(image({}))).toEqual([]);
  });
});

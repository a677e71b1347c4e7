import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { file } from '../oci/entry.ts';
import { missingLibraries } from './check-libraries.ts';
import { readElf } from './elf.ts';
import { type FileFacts, factsOf } from './layer-facts.ts';

const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';

describe('readElf', () => {
  it("agrees with the system's own reader about this Node", () => {
    const info = readElf(readFileSync(process.execPath));
    const listed = execFileSync('ldd', [process.execPath], { encoding: 'utf8' });
    expect(info?.needed.length).toBeGreaterThan(2);
    for (const name of info?.needed ?? []) expect(listed).toContain(name);
    expect(listed).toContain(info?.interpreter);
  });

  it('takes anything else for no program', () => {
    for (const data of [Buffer.alloc(0), Buffer.from('#!/bin/sh\n'), Buffer.from('\x7fELF\x02\x01')]) {
      expect(readElf(data)).toBeUndefined();
    }
  });
});

describe('missingLibraries', () => {
  it('names the program and what it lacks, and nothing once that is there', () => {
    const program = readFileSync(process.execPath);
    const files = new Map<string, FileFacts>([['usr/bin/node', factsOf(file('usr/bin/node', program))]]);
    const problems = missingLibraries(files, arch);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^\/usr\/bin\/node needs .*libc\.so\.6/);
    const info = readElf(program);
    for (const name of info?.needed ?? []) files.set(`usr/lib/${name}`, factsOf(file(`usr/lib/${name}`, '')));
    const interpreter = (info?.interpreter ?? '').replace(/^\/(lib(64)?)\//, 'usr/$1/');
    files.set(interpreter, factsOf(file(interpreter, '')));
    expect(missingLibraries(files, arch)).toEqual([]);
  });
});

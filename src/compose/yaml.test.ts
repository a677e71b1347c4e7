import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { osDefinitionSchema } from './definition/schema.ts';
import { ComposeError } from './errors.ts';
import { parseYaml } from './yaml.ts';

const parse = (text: string) => parseYaml(text, 'os.yml', osDefinitionSchema);
const problem = (text: string): string => {
  try {
    parse(text);
  } catch (error) {
    expect(error).toBeInstanceOf(ComposeError);
    return (error as Error).message;
  }
  throw new Error('was accepted');
};

describe('parseYaml', () => {
  it('names file, line and column of broken YAML', () => {
    expect(problem('kernel:\n  image: a\n services: [')).toMatch(/^os\.yml:3:\d+: /);
  });

  it('names an unknown key where it stands', () => {
    expect(problem('services:\n  - name: web\n    image: web:1\n    restrat: always\n')).toBe(
      'os.yml:4:5: services.0.restrat: unknown key',
    );
  });

  it('names a wrong value where it stands', () => {
    const text = 'services:\n  - name: web\n    image: web:1\n    restart: sometimes\n';
    expect(problem(text)).toContain('os.yml:4:5: services.0.restart: not one of no, always');
  });

  it('points at the parent when a key is missing', () => {
    expect(problem('services:\n  - name: web\n')).toMatch(/^os\.yml:2:\d+: services\.0\.image: /);
  });

  it('reports every mistake at once', () => {
    expect(problem('services:\n  - {name: UPPER, image: a}\n  - {name: b, image: 3}\n').split('\n')).toHaveLength(2);
  });

  it('refuses a key given twice', () => {
    expect(problem('init: [a]\ninit: [b]\n')).toMatch(/^os\.yml:2:1: /);
  });

  it('names an alias that stands for nothing', () => {
    expect(problem('init:\n  - *base\n')).toMatch(/^os\.yml:2:5: .*base/);
  });

  it('never throws anything but a ComposeError', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parse(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ComposeError);
        }
      }),
    );
  });
});

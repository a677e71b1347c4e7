import { expect, test } from 'vitest';
import type { ComponentConfig } from '../../shared/definition/component-config.ts';
import type { Revision } from '../../shared/definition/revision.ts';
import type { ImageConfig } from '../../shared/oci/types.ts';
import { checkSockets } from './check-sockets.ts';

function check(
  components: Record<string, { image: ComponentConfig; definition?: ComponentConfig }>,
  longestPath?: number,
): void {
  const digest = `sha256:${'a'.repeat(64)}` as const;
  const entries = Object.entries(components);
  const revision: Revision = {
    schema: 1,
    components: Object.fromEntries(
      entries.map(([name, { definition = {} }], order) => [
        name,
        { kind: 'service', image: { ref: name, digest }, order, config: definition },
      ]),
    ),
  };
  const image = (config: ComponentConfig): { config: ImageConfig } => ({
    config: {
      architecture: 'amd64',
      os: 'linux',
      config: { Labels: { 'org.mobyproject.config': JSON.stringify(config) } },
      rootfs: { type: 'layers', diff_ids: [] },
    },
  });
  checkSockets(revision, new Map(entries.map(([name, { image: config }]) => [name, image(config)])), longestPath);
}

test('what image and definition say together is checked', () => {
  const listen = ['0.0.0.0:80'];
  expect(() => check({ web: { image: { listen, swap: { strategy: 'handover' } } } })).not.toThrow();
  expect(() => check({ web: { image: { listen }, definition: { net: 'new' } } })).toThrow('web: listen needs');
  expect(() => check({ web: { image: { listen }, definition: { listen: ['x:80'] } } })).toThrow('not an IP address');
  const image: ComponentConfig = { healthcheck: { http: 'http://127.0.0.1/' } };
  expect(() => check({ web: { image, definition: { swap: { strategy: 'overlap' } } } })).toThrow('the old container');
});

test('two components cannot have one address', () => {
  const listen = ['0.0.0.0:80'];
  expect(() => check({ a: { image: { listen } }, b: { image: {}, definition: { listen } } })).toThrow(
    'a and b both listen at 0.0.0.0:80',
  );
});

test('on top of a distribution the path of a socket must be shorter', () => {
  const web = { image: { listen: [`/run/${'x'.repeat(98)}`] } };
  expect(() => check({ web })).not.toThrow();
  expect(() => check({ web }, 103)).not.toThrow();
  expect(() => check({ web }, 102)).toThrow(/^web: listen ".*": on top of a distribution .* at most 102 bytes$/);
});

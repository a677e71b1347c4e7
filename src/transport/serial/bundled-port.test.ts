import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, expect, test } from 'vitest';
import { createPty } from '../../../test/support/pty.ts';

const builds = join(import.meta.dirname, '../../../build');
mkdirSync(builds, { recursive: true });
// In the checkout: what holds machine code is not bundled, and found from here.
const outdir = mkdtempSync(join(builds, 'port-'));
afterAll(() => rmSync(outdir, { recursive: true }));

test('a tty opens in the bundled program too, where its library is a file of its own', async () => {
  const require = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`;
  await build({
    ...{ entryPoints: [join(import.meta.dirname, 'port.ts')], outdir, outExtension: { '.js': '.mjs' } },
    ...{ bundle: true, splitting: true, format: 'esm', platform: 'node', banner: { js: require } },
    external: ['@serialport/bindings-cpp'],
  });
  const pty = await createPty();
  const program = `const { openPort } = await import(${JSON.stringify(join(outdir, 'port.mjs'))});
    const port = await openPort({ path: ${JSON.stringify(pty.path)}, baud: 115200, flow: 'none' });
    console.log(port.bytesPerSecond);
    process.exit();`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  pty.close();
  expect(output).toBe('11520\n');
});

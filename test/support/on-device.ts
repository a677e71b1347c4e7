import type { Device } from '../../src/device/device.ts';

/** Runs a shell script in the device's own namespaces. Rejects unless it ends with code 0. */
export async function onDevice(device: Device, script: string): Promise<string> {
  const session = await device.shell({ command: ['sh', '-c', script], tty: false });
  session.stdin.end();
  const [stdout, stderr, code] = await Promise.all([textOf(session.stdout), textOf(session.stderr), session.exitCode]);
  if (code !== 0) throw new Error(`"${script}" ended with code ${code} on the device: ${stderr.trim()}`);
  return stdout;
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

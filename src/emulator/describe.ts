import { existsSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import type { Instance } from './instance.ts';

/** A word for a shell; quoted only when it has to be. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** How to call Gantry from here: by its name when it is in PATH, else by the path of the checkout's launcher. */
export function gantryCommand(launcher: string): string {
  const folders = (process.env.PATH ?? '').split(delimiter);
  if (folders.some((folder) => folder !== '' && existsSync(join(folder, 'gantry')))) return 'gantry';
  const path = relative(process.cwd(), launcher);
  if (path.startsWith('../../')) return shellWord(launcher);
  return shellWord(path.startsWith('.') ? path : `./${path}`);
}

/** Commands that reach an emulator and stop it, one a line, with what each is for. */
export function howToConnect(instance: Instance, gantry: string): string {
  const device = `qemu:${instance.name}`;
  const lines: [string, string][] = [];
  if (instance.ssh !== undefined) {
    const { identityFile, knownHostsFile, host, port, user } = instance.ssh;
    const options = [
      `-i ${shellWord(identityFile)}`,
      `-o UserKnownHostsFile=${shellWord(knownHostsFile)}`,
      '-o StrictHostKeyChecking=accept-new',
    ];
    lines.push(['terminal UI', `${gantry} -d ${device}`]);
    lines.push(['over serial', `${gantry} -d '${device}?via=serial'`]);
    lines.push(['list', `${gantry} -d ${device} ps`]);
    lines.push(['any SSH', `ssh ${options.join(' ')} -p ${port} ${user}@${host}`]);
  } else {
    lines.push(['terminal UI', `${gantry} -d '${device}?via=serial'`]);
    lines.push(['list', `${gantry} -d '${device}?via=serial' ps`]);
  }
  for (const [guest, host] of Object.entries(instance.ports)) {
    if (guest === '22') continue;
    lines.push([`port ${guest}`, guest === '80' ? `http://127.0.0.1:${host}/` : `127.0.0.1:${host}`]);
  }
  lines.push(['stop', `${gantry} run --stop ${instance.name}`]);
  const width = Math.max(...lines.map(([what]) => what.length));
  return lines.map(([what, command]) => `  ${what.padEnd(width)}  ${command}`).join('\n');
}

import { execa } from 'execa';
import { connectDevice } from '../../src/device/connect.ts';
import { loadInstance } from '../../src/emulator/index.ts';
import { gantryOk } from '../e2e/support/gantry.ts';
import type { Machine, Via } from '../e2e/support/machine.ts';
import { type Summary, summarise } from './statistics.ts';

/** Milliseconds. */
export interface PsTimes {
  /** `ssh HOST true`: what a connection costs without Gantry. */
  sshTrue: Summary;
  /** `gantry --version`: what starting the command costs. */
  noDevice: Summary;
  command: Record<Via, Summary>;
  /** One `components()` in a connection that is open. */
  call: Record<Via, Summary>;
}

const runs = 10;

/** Times on one machine, in turns, so that a busy moment does not hit one of them alone. */
export async function measurePs(machine: Machine): Promise<PsTimes> {
  const { name } = machine.emulator.instance;
  const ps = (via: Via) => gantryOk('-d', `qemu:${name}?via=${via}`, 'ps');
  const kinds = {
    sshTrue: () => sshTrue(name),
    noDevice: () => gantryOk('--version'),
    ssh: () => ps('ssh'),
    serial: () => ps('serial'),
  };
  const taken: Record<keyof typeof kinds, number[]> = { sshTrue: [], noDevice: [], ssh: [], serial: [] };
  for (let run = 0; run <= runs; run++) {
    for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
      const ms = await millisecondsOf(kinds[kind]);
      // The first may have to bundle the program.
      if (run > 0) taken[kind].push(ms);
    }
  }
  return {
    sshTrue: summarise(taken.sshTrue),
    noDevice: summarise(taken.noDevice),
    command: { ssh: summarise(taken.ssh), serial: summarise(taken.serial) },
    call: { ssh: await callTimes(name, 'ssh'), serial: await callTimes(name, 'serial') },
  };
}

async function callTimes(name: string, via: Via): Promise<Summary> {
  const device = await connectDevice(`qemu:${name}?via=${via}`, { patienceMs: 30_000 });
  try {
    await device.components();
    const taken: number[] = [];
    for (let run = 0; run < runs; run++) taken.push(await millisecondsOf(() => device.components()));
    return summarise(taken);
  } finally {
    await device.close();
  }
}

/** The system's own client with the key of the emulator. */
async function sshTrue(name: string): Promise<void> {
  const { ssh } = loadInstance(name);
  if (ssh === undefined) throw new Error(`${name} has no network card`);
  const options = ['IdentitiesOnly=yes', 'BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null'];
  const args = ['-F', '/dev/null', '-q', '-i', ssh.identityFile, '-p', String(ssh.port)];
  await execa('ssh', [...args, ...options.flatMap((option) => ['-o', option]), `${ssh.user}@${ssh.host}`, 'true']);
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

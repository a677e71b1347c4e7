import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type Board, hostArch } from './boards.ts';
import { payloadFor } from './kvm-payload.ts';
import { cacheDir } from './paths.ts';
import { hostBootId } from './process-identity.ts';

/** A guest of a few instructions needs 0.2 s where KVM works; where it does not, it hangs, or crawls. */
const limitMs = 3000;

const cacheSchema = z.object({ bootId: z.string(), program: z.string(), usable: z.boolean() });

/**
 * Whether KVM runs guests of this board, which only a guest can tell: there are hosts whose `/dev/kvm` opens and whose
 * guests hang. Takes at most 3 s; the answer is kept until the host boots again.
 */
export async function probeKvm(board: Board): Promise<boolean> {
  if (board.arch !== hostArch()) return false;
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return false; // Not kept: a person may be added to the group kvm at any time.
  }
  const known = readCache(board);
  if (known !== undefined) return known;
  const usable = await runPayload(board, { accel: 'kvm', cpu: 'host', limitMs });
  writeCache(board, usable);
  return usable;
}

/** Runs the board's smallest guest; true when it came to its end within the limit. Leaves no process and no file. */
export async function runPayload(
  board: Board,
  options: { accel: string; cpu: string; limitMs: number },
): Promise<boolean> {
  const payload = payloadFor(board.arch);
  const dir = mkdtempSync(join(tmpdir(), 'gantry-kvm-'));
  try {
    writeFileSync(join(dir, 'payload'), payload.image);
    const args = ['-nodefaults', '-no-user-config', '-display', 'none', '-m', '32'];
    args.push('-accel', options.accel, '-cpu', options.cpu, ...payload.args('payload'));
    // In its own folder, so that a QEMU that aborts leaves its core file there too.
    const child = spawn(board.program, args, { stdio: 'ignore', cwd: dir });
    return (await exitWithin(child, options.limitMs)) === payload.exitCode;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The exit code, or `undefined` when the process could not be started, was ended by a signal, or had to be killed. */
async function exitWithin(child: ChildProcess, ms: number): Promise<number | undefined> {
  const timer = setTimeout(() => child.kill('SIGKILL'), ms);
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  try {
    const [code] = await once(child, 'exit');
    return typeof code === 'number' ? code : undefined;
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
    process.removeListener('exit', kill);
  }
}

function cacheFile(board: Board): string {
  return join(cacheDir(), `kvm-${board.name}.json`);
}

function readCache(board: Board): boolean | undefined {
  try {
    const cached = cacheSchema.parse(JSON.parse(readFileSync(cacheFile(board), 'utf8')));
    return cached.bootId === hostBootId() && cached.program === board.program ? cached.usable : undefined;
  } catch {
    return undefined;
  }
}

/** The cache only saves time: where it cannot be written, the next run probes again. */
function writeCache(board: Board, usable: boolean): void {
  const temporary = `${cacheFile(board)}.${process.pid}`;
  try {
    mkdirSync(cacheDir(), { recursive: true });
    writeFileSync(temporary, JSON.stringify({ bootId: hostBootId(), program: board.program, usable }));
    renameSync(temporary, cacheFile(board));
  } catch {
    rmSync(temporary, { force: true });
  }
}

import { errorWithCode } from './errno.ts';

/** Node knows no extended attributes; overlayfs' opaque mark, file capabilities and access lists are such. */
interface Calls {
  set(path: Uint8Array, name: Uint8Array, value: Uint8Array, size: number, flags: number): number;
  get(path: Uint8Array, name: Uint8Array, value: Uint8Array, size: number): number | bigint;
  list(path: Uint8Array, names: Uint8Array, size: number): number | bigint;
  errno(): number;
}

let loaded: Promise<Calls> | undefined;

/** Linux' limit for a value, and for all names of one file together. */
const maxBytes = 64 << 10;

/** Sets one extended attribute of `path` itself, never of what a link there points to. Rejects with the errno's name. */
export async function setXattr(path: string, name: string, value: Uint8Array): Promise<void> {
  // A NUL would silently cut the path short on its way into C.
  if (path.includes('\0') || name.includes('\0')) throw new Error(`NUL in the name of an extended attribute: ${name}`);
  set(await calls(), Buffer.from(path), Buffer.from(name), value);
}

/**
 * Copies the extended attributes of one file, folder or link to another, each itself and not what it points to. What the
 * other file system has no attributes for is left out. Paths are bytes, because a volume's names need not be UTF-8.
 * Throws an error with the errno's name.
 */
export async function copierOfXattrs(): Promise<(from: Buffer, to: Buffer) => void> {
  const libc = await calls();
  const [names, value] = [Buffer.alloc(maxBytes), Buffer.alloc(maxBytes)];
  const fail = (what: string, path: Buffer) => errorWithCode(libc.errno(), `cannot read ${what} of ${path}`);
  return (from, to) => {
    const length = Number(libc.list(inC(from), names, names.length));
    if (length < 0) {
      const error = fail('the extended attributes', from);
      if (isUnsupported(error)) return;
      throw error;
    }
    for (const name of split(names.subarray(0, length))) {
      const size = Number(libc.get(inC(from), inC(name), value, value.length));
      if (size < 0) throw fail(`the extended attribute ${name}`, from);
      try {
        set(libc, to, name, value.subarray(0, size));
      } catch (error) {
        if (!isUnsupported(error)) throw error;
      }
    }
  };
}

function set(libc: Calls, path: Buffer, name: Buffer, value: Uint8Array): void {
  if (libc.set(inC(path), inC(name), value, value.length, 0) !== 0)
    throw errorWithCode(libc.errno(), `cannot set the extended attribute ${name} of ${path}`);
}

function* split(names: Buffer): Generator<Buffer> {
  for (let at = 0; at < names.length; ) {
    const end = names.indexOf(0, at);
    yield names.subarray(at, end);
    at = end + 1;
  }
}

const isUnsupported = (error: unknown) =>
  error instanceof Error && 'code' in error && (error.code === 'ENOTSUP' || error.code === 'EOPNOTSUPP');

const inC = (text: Buffer) => Buffer.concat([text, Buffer.of(0)]);

/** Loaded at first use only: few devices need it, and koffi costs memory. */
function calls(): Promise<Calls> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Calls> {
  const { default: koffi } = await import('koffi');
  const libc = koffi.load('libc.so.6');
  return {
    set: libc.func('int lsetxattr(const void *path, const void *name, const void *value, size_t size, int flags)'),
    get: libc.func('long lgetxattr(const void *path, const void *name, void *value, size_t size)'),
    list: libc.func('long llistxattr(const void *path, void *names, size_t size)'),
    errno: () => koffi.errno(),
  };
}

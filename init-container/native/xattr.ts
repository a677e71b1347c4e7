import { errorWithCode } from './errno.ts';

/** Node cannot set extended attributes; overlayfs' opaque mark and file capabilities are such. */
type SetXattr = (path: string, name: string, value: Uint8Array) => void;

let loaded: Promise<SetXattr> | undefined;

/** Sets one extended attribute of `path` itself, never of what a link there points to. Rejects with the errno's name. */
export async function setXattr(path: string, name: string, value: Uint8Array): Promise<void> {
  // A NUL would silently cut the path short on its way into C.
  if (path.includes('\0') || name.includes('\0')) throw new Error(`NUL in the name of an extended attribute: ${name}`);
  // Loaded at first use only: few layers need it, and koffi costs memory.
  loaded ??= load();
  (await loaded)(path, name, value);
}

async function load(): Promise<SetXattr> {
  const { default: koffi } = await import('koffi');
  const lsetxattr = koffi
    .load('libc.so.6')
    .func('int lsetxattr(const char *path, const char *name, const uint8_t *value, size_t size, int flags)');
  return (path, name, value) => {
    if (lsetxattr(path, name, value, value.length, 0) !== 0) {
      throw errorWithCode(koffi.errno(), `cannot set the extended attribute ${name} of ${path}`);
    }
  };
}

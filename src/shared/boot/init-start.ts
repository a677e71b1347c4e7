import type { ImageConfig } from '../oci/types.ts';

/**
 * The shell script that becomes the init container's first process. The launcher calls it in a new mount namespace with
 * the container's root, the digest of its image (`factory` for the one in the root image) and why it was chosen. No runtime is in between: crun makes itself the parent of every orphan below it
 * and would then wait for all of them, and what the init container starts must outlive it.
 */
export function initStartScript(config: ImageConfig): string {
  const settings = config.config ?? {};
  const environment = [...(settings.Env ?? []), 'GANTRY_HOST_MNT=/proc/1/ns/mnt', 'NODE_ENV=production'];
  const chosen = ['"GANTRY_INIT_ROOT=$1"', '"GANTRY_INIT_IMAGE=$2"', '"GANTRY_INIT_ROLE=$3"'];
  const command = [...(settings.Entrypoint ?? []), ...(settings.Cmd ?? [])];
  const words = ['env', '-i', ...environment.map(quote), ...chosen, 'chroot', '"$1"', ...command.map(quote)];
  return `#!/bin/sh
for folder in proc sys dev run gantry var/lib/gantry; do
	mkdir -p "$1/$folder"
	mount -o rbind "/$folder" "$1/$folder"
done
cd "$1" || exit 1
exec ${words.join(' ')}
`;
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

import type { ImageConfig } from '../oci/types.ts';

/** Said by what runs Gantry on top of an existing distribution; a device of its own has PID 1. */
const surroundings = '"GANTRY_HOST_MNT=$GANTRY_HOST_MNT" "GANTRY_DISTRIBUTION=$GANTRY_DISTRIBUTION"';

/**
 * The shell script that becomes the init container's first process. The launcher calls it in a new mount namespace with
 * the container's root, the digest of its image (`factory` for the one in the root image) and why it was chosen. No
 * runtime is in between: crun makes itself the parent of every orphan below it and would then wait for all of them, and
 * what the init container starts must outlive it. On top of an existing distribution `/host` is the distribution's root,
 * and the environment names it and the mount namespace.
 */
export function initStartScript(config: ImageConfig): string {
  const settings = config.config ?? {};
  const environment = [...(settings.Env ?? []), 'NODE_ENV=production'].map(quote);
  const chosen = ['"GANTRY_INIT_ROOT=$1"', '"GANTRY_INIT_IMAGE=$2"', '"GANTRY_INIT_ROLE=$3"'];
  const command = [...(settings.Entrypoint ?? []), ...(settings.Cmd ?? [])].map(quote);
  const words = ['env', '-i', ...environment, surroundings, ...chosen, 'chroot', '"$1"', ...command];
  return `#!/bin/sh
for folder in proc sys dev run gantry var/lib/gantry host; do
	[ -d "/$folder" ] || continue
	mkdir -p "$1/$folder"
	mount -o rbind "/$folder" "$1/$folder"
done
cd "$1" || exit 1
: "\${GANTRY_HOST_MNT:=/proc/1/ns/mnt}"
exec ${words.join(' ')}
`;
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

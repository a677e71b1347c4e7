/** A bind of a component: a folder of the device, or a volume. */
export interface Bind {
  /** A path of the device, or the volume's name. */
  source: string;
  volume: boolean;
  destination: string;
  /** As they are written, or the defaults. */
  options: string[];
  writable: boolean;
}

/**
 * LinuxKit's `source:destination[:options]`. A source with a slash is a path, else a volume. Without options a path is
 * `rw,rbind,rshared` as in LinuxKit; a volume, whose mounts concern nobody else, `rw,rbind,rprivate`. Throws on others.
 */
export function parseBind(text: string): Bind {
  const [source = '', destination = source, optionText, ...more] = text.split(':');
  const volume = /^[a-z0-9][a-z0-9_-]{0,62}$/.test(source);
  if (!(volume || source.startsWith('/')) || !destination.startsWith('/') || more.length > 0) {
    throw new Error(`bind "${text}" is neither /source:/destination[:options] nor VOLUME:/destination[:options]`);
  }
  const options = (optionText ?? (volume ? 'rw,rbind,rprivate' : 'rw,rbind,rshared')).split(',').filter(Boolean);
  return { source, volume, destination, options, writable: !options.includes('ro') };
}

/** The names of the volumes among binds. What is no bind is left out: its start says what is wrong with it. */
export function boundVolumes(binds: readonly string[] = []): string[] {
  const names = binds.flatMap((text) => {
    try {
      const { source, volume } = parseBind(text);
      return volume ? [source] : [];
    } catch {
      return [];
    }
  });
  return [...new Set(names)];
}

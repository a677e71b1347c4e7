/** What the kernel's command line says of how this system was started. */
export interface BootedAs {
  /** Id of the root image. */
  image: string;
  /** Id of the image whose initramfs chose what to start. */
  loader: string;
  /** The slot that it was started from: `a` or `b`; undefined: from the image itself. */
  slot: string | undefined;
}

/** Reads a kernel command line (see boot/initramfs). Undefined when no image of ours was started. */
export function bootedAs(cmdline: string): BootedAs | undefined {
  const value = (name: string) =>
    cmdline
      .trim()
      .split(/\s+/)
      .findLast((word) => word.startsWith(`gantry.${name}=`))
      ?.slice(`gantry.${name}=`.length);
  const image = value('image');
  return image ? { image, loader: value('loader') || image, slot: value('slot') || undefined } : undefined;
}

/** A command line for a slot: `cmdline` with what tells the started system where it comes from. */
export function slotCommandLine(cmdline: string, slot: string, loader: string): string {
  const words = cmdline.split(/\s+/).filter((word) => word !== '' && !/^gantry\.(slot|loader)=/.test(word));
  return [...words, `gantry.slot=${slot}`, `gantry.loader=${loader}`].join(' ');
}

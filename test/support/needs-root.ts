/** Throws with what a person has to do, unless this process may make namespaces, mounts and cgroups. */
export function needRoot(what: string): void {
  if (process.getuid?.() === 0) return;
  throw new Error(`${what} need root: run \`npm test\` as root. \`npm run check\` needs none.`);
}

/** For a whole group of tests: none of them is left out in silence. */
export default function setup(): void {
  needRoot("Devices on this machine's own kernel");
}

/** The init container's own log: one line with a time stamp on stderr, which PID 1 sends on to the console. */
export function journal(message: string): void {
  process.stderr.write(`${new Date().toISOString()} gantry-init: ${message.replace(/\s*\n\s*/g, ' | ')}\n`);
}

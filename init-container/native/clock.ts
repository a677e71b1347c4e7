/** Milliseconds since the device's boot. Nobody sets this clock, and a restart of this process does not either. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

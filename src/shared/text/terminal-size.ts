/** No terminal is larger for those who ask for its size: see `console-protocol.ts`. */
const most = 1000;

/** The size of the terminal that this process writes to, in characters: 80 × 24 when it does not tell (a bare serial line says 0). */
export function terminalSize(terminal: { columns?: number; rows?: number } = process.stdout): {
  columns: number;
  rows: number;
} {
  return { columns: Math.min(terminal.columns || 80, most), rows: Math.min(terminal.rows || 24, most) };
}

import { createRequire } from 'node:module';

/**
 * blessed reads files beside itself (terminfo) and is sloppy-mode CommonJS: it is loaded from node_modules, never
 * bundled. Of blessed-contrib only the line chart: its index would load maps, pictures and Markdown too.
 */
export function loadBlessed() {
  const load = createRequire(import.meta.url);
  const blessed: typeof import('blessed') = load('blessed');
  const lineChart: typeof import('blessed-contrib').line = load('blessed-contrib/lib/widget/charts/line.js');
  return { blessed, lineChart };
}

export type BlessedParts = ReturnType<typeof loadBlessed>;

/**
 * The terminal description that blessed should use. Those of screen and tmux have parts that it cannot read, on which it
 * prints an error; what it uses of xterm they understand.
 */
export function terminalName(term: string | undefined): string {
  if (term === undefined || term === '' || term === 'dumb') return 'xterm';
  if (/^(screen|tmux)/.test(term)) return term.includes('256color') ? 'xterm-256color' : 'xterm';
  return term;
}

/** Runs `make` and takes away what it listens for on the process: blessed would end it before the device is let go. */
export function withoutExitHandlers<T>(make: () => T): T {
  const events = ['uncaughtException', 'SIGTERM', 'SIGINT', 'SIGQUIT', 'exit'];
  const before = new Map(events.map((event) => [event, new Set(process.rawListeners(event))]));
  const made = make();
  for (const [event, listeners] of before) {
    for (const listener of process.rawListeners(event)) {
      if (!listeners.has(listener)) process.removeListener(event, listener as () => void);
    }
  }
  return made;
}

const ending = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface CaughtSignals {
  /** Aborted at the first signal that would have ended this process. */
  caught: AbortSignal;
  /** Signals end this process again. */
  release(): void;
}

/** Keeps signals from ending this process before it has put things in order. */
export function catchSignals(): CaughtSignals {
  const controller = new AbortController();
  const onSignal = () => controller.abort();
  for (const signal of ending) process.on(signal, onSignal);
  return {
    caught: controller.signal,
    release: () => {
      for (const signal of ending) process.removeListener(signal, onSignal);
    },
  };
}

/** Resolves when `holds`, at once if it does; asked again at each change that `subscribe` tells. Rejects when `signal` aborts. */
export function until(
  holds: () => boolean,
  subscribe: (listener: () => void) => () => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    if (holds()) return resolve();
    const stop = subscribe(() => {
      if (!holds()) return;
      stop();
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    const onAbort = () => {
      stop();
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

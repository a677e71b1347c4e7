// Long steps: a line that counts the seconds on a terminal, a line now and then elsewhere.

/**
 * Runs a step and tells on standard error how long it takes. The step's own output should be kept until it has ended.
 * @template T
 * @param {string} what
 * @param {() => Promise<T>} step
 * @returns {Promise<T>}
 */
export async function timed(what, step) {
  const started = performance.now();
  const seconds = () => Math.round((performance.now() - started) / 1000);
  const terminal = process.stderr.isTTY;
  if (!terminal) console.error(`${what} …`);
  const tick = () => {
    if (terminal) process.stderr.write(`\r\x1b[2K${what} … ${seconds()} s`);
    else console.error(`${what} … ${seconds()} s`);
  };
  if (terminal) tick();
  const timer = setInterval(tick, terminal ? 1000 : 15_000);
  let outcome = 'failed';
  try {
    const value = await step();
    outcome = 'done';
    return value;
  } finally {
    clearInterval(timer);
    console.error(`${terminal ? '\r\x1b[2K' : ''}${what}: ${outcome} (${seconds()} s)`);
  }
}

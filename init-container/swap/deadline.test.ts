import { describe, expect, it } from 'vitest';
import { probeLimitMs, stableMs, stopLimitMs, within } from './deadline.ts';

describe('the time until a component must be healthy', () => {
  it('leaves a health check the time in which it decides, and a margin', () => {
    const healthcheck = { http: 'http://localhost/', interval: '2s', timeout: '1s', retries: 4, start_period: '1m' };
    expect(probeLimitMs({ healthcheck })).toBe(60_000 + 4 * 3000 + 30_000);
    expect(probeLimitMs({ healthcheck: { tcp: 'localhost:1883' } })).toBe(3 * 15_000 + 30_000);
  });

  it('leaves a component without one the time it must stay up, and a margin', () => {
    expect(probeLimitMs({})).toBe(33_000);
    expect(probeLimitMs({ healthcheck: { test: ['NONE'] } })).toBe(33_000);
    expect(probeLimitMs({ healthcheck: { http: 'http://localhost/', disable: true } })).toBe(33_000);
  });

  it('is what the definition says, if it says it', () => {
    expect(probeLimitMs({ swap: { timeout: '5m' }, healthcheck: { tcp: 'localhost:1883' } })).toBe(300_000);
    expect(probeLimitMs({ swap: { timeout: '9999999h' } })).toBe(2 ** 31 - 1);
  });
});

it('the time to stop is the grace period and a margin', () => {
  expect(stopLimitMs({})).toBe(70_000);
  expect(stopLimitMs({ stop_grace_period: '2m' })).toBe(180_000);
});

it('the window of several components is the longest', () => {
  expect(stableMs([{}], undefined)).toBe(3000);
  expect(stableMs([{ swap: { stable: '0s' } }], undefined)).toBe(0);
  expect(stableMs([{ swap: { stable: '1s' } }, { swap: { stable: '1m' } }], undefined)).toBe(60_000);
  expect(stableMs([], undefined)).toBe(0);
});

it('the window that was asked for goes before what the definitions say', () => {
  expect(stableMs([{ swap: { stable: '1m' } }], '500ms')).toBe(500);
  expect(stableMs([{}], '1h')).toBe(3_600_000);
  expect(stableMs([{}], '9999h')).toBe(2 ** 31 - 1);
});

describe('within', () => {
  it('gives what the work gives, or its error', async () => {
    expect(await within(60_000, 'work', Promise.resolve(7))).toBe(7);
    await expect(within(60_000, 'work', Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  it('does not wait for ever', async () => {
    await expect(within(1, 'stopping web', new Promise(() => undefined))).rejects.toThrow(
      'stopping web did not end within 0 s',
    );
  });
});

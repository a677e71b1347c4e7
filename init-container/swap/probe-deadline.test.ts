import { expect, it } from 'vitest';
import { probeDeadlineMs } from './probe-deadline.ts';

it('leaves a health check the time in which it decides, and a margin', () => {
  const check = { http: 'http://localhost/', interval: '2s', timeout: '1s', retries: 4, start_period: '1m' };
  expect(probeDeadlineMs(check)).toBe(60_000 + 4 * 3000 + 30_000);
  expect(probeDeadlineMs({ tcp: 'localhost:1883' })).toBe(3 * 15_000 + 30_000);
});

it('leaves a component without one the time it must stay up, and a margin', () => {
  expect(probeDeadlineMs(undefined)).toBe(33_000);
  expect(probeDeadlineMs({ test: ['NONE'] })).toBe(33_000);
  expect(probeDeadlineMs({ http: 'http://localhost/', disable: true })).toBe(33_000);
});

import { expect, test } from 'vitest';
import { fastRates, parseSerialTarget, serialTarget } from './target.ts';

const usual = { baud: 115_200, flow: 'none' };

test.each([
  ['serial:/dev/ttyUSB0', { ...usual, path: '/dev/ttyUSB0' }],
  ['serial:/dev/ttyUSB0?baud=9600', { ...usual, path: '/dev/ttyUSB0', baud: 9600 }],
  ['serial:/dev/ttyUSB0?baud=921600&flow=rtscts', { path: '/dev/ttyUSB0', baud: 921_600, flow: 'rtscts' }],
  ['serial:/dev/ttyUSB0?fast=921600', { ...usual, path: '/dev/ttyUSB0', fast: 921_600 }],
  ['serial:/dev/ttyUSB0?flow=xonxoff', { ...usual, path: '/dev/ttyUSB0', flow: 'xonxoff' }],
  ['serial:/run/vm/serial.sock', { ...usual, path: '/run/vm/serial.sock' }],
])('%s', (target, expected) => expect(parseSerialTarget(target)).toEqual(expected));

test.each([
  ['serial:ttyUSB0', 'write serial:/dev/ttyUSB0'],
  ['serial:', 'write serial:/dev/ttyUSB0'],
  ['serial:/dev/ttyUSB0?baud=fast', 'fast is not a baud rate'],
  ['serial:/dev/ttyUSB0?fast=yes', 'yes is not a baud rate'],
  ['serial:/dev/ttyUSB0?baud=921600&fast=460800', 'is not faster than the 921600 baud'],
  ['serial:/dev/ttyUSB0?fast=921600&flow=xonxoff', 'fast and flow=xonxoff do not go together'],
  ['serial:/dev/ttyUSB0?flow=dtr', 'flow is rtscts, xonxoff or none, not dtr'],
  ['serial:/dev/ttyUSB0?parity=odd', 'parity is not an option'],
])('%s is refused', (target, message) => expect(() => parseSerialTarget(target)).toThrow(message));

test('a target as text reads back as the same target', () => {
  for (const text of [
    'serial:/dev/ttyUSB0',
    'serial:/dev/x?baud=9600',
    'serial:/dev/x?baud=9600&fast=115200&flow=rtscts',
  ])
    expect(parseSerialTarget(serialTarget(parseSerialTarget(text)))).toEqual(parseSerialTarget(text));
});

test('what is wished for is tried first, then what is next below it', () => {
  expect(fastRates(parseSerialTarget('serial:/dev/x'))).toEqual([]);
  expect(fastRates(parseSerialTarget('serial:/dev/x?fast=921600'))).toEqual([921_600, 460_800, 230_400]);
  expect(fastRates(parseSerialTarget('serial:/dev/x?baud=460800&fast=1000000'))).toEqual([1_000_000, 921_600]);
});

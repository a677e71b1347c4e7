import { expect, test } from 'vitest';
import { parseSerialTarget } from './target.ts';

test.each([
  ['serial:/dev/ttyUSB0', { path: '/dev/ttyUSB0', baud: 115_200 }],
  ['serial:/dev/ttyUSB0?baud=9600', { path: '/dev/ttyUSB0', baud: 9600 }],
  ['serial:/dev/ttyS1?baud=9600&flow=xonxoff', { path: '/dev/ttyS1', baud: 9600, flow: 'xonxoff' }],
  ['serial:/run/vm/serial.sock', { path: '/run/vm/serial.sock', baud: 115_200 }],
])('%s', (target, expected) => expect(parseSerialTarget(target)).toEqual(expected));

test.each([
  ['serial:ttyUSB0', 'write serial:/dev/ttyUSB0'],
  ['serial:', 'write serial:/dev/ttyUSB0'],
  ['serial:/dev/ttyUSB0?baud=fast', 'fast is not a baud rate'],
  ['serial:/dev/ttyUSB0?flow=rtscts', 'rtscts is not a flow control'],
  ['serial:/dev/ttyUSB0?parity=odd', 'parity is not an option'],
])('%s is refused', (target, message) => expect(() => parseSerialTarget(target)).toThrow(message));

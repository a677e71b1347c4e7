import { expect, test } from 'vitest';
import { LinkStreamError } from '../shared/link/link-stream.ts';
import { explainBreak } from './api-client.ts';

test('a link that goes down is a break of the connection, after which can be tried again', () => {
  const error = explainBreak(
    new LinkStreamError('ELINKDOWN', 'the link is down: the device has been silent for 6 s'),
    'PATCH',
    '/upload',
  );
  expect(error).toMatchObject({
    name: 'TransportError',
    retry: true,
    message: 'the connection to the device broke (PATCH /upload): the link is down: the device has been silent for 6 s',
  });
});

import { Transform } from 'node:stream';

/** Docker's stream numbers. */
export const stdout = 1;
export const stderr = 2;
/** Ours, in `/gantry/v1/logs/`: a sentence of the device's own about the log; where the stream is. */
export const noteFrame = 3;
export const cursorFrame = 4;

/** One frame of a multiplexed stream: type, three zero bytes, length, data. */
export function frame(stream: number, data: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}

/** Puts each chunk into a frame. */
export function framing(stream: number): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      done(null, frame(stream, chunk));
    },
  });
}

export const rawStreamType = 'application/vnd.docker.raw-stream';
export const multiplexedStreamType = 'application/vnd.docker.multiplexed-stream';

/** With a terminal the stream is raw; without one, clients from API 1.42 on expect the honest type. */
export function streamType(tty: boolean, apiMinor: number): string {
  return tty || apiMinor < 42 ? rawStreamType : multiplexedStreamType;
}

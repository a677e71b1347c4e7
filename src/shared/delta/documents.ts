import { DeltaError } from './errors.ts';
import { ByteReader, varint } from './varint.ts';
import { unzstd, zstdOf } from './zstd.ts';

/** An image's manifest and configuration, as text. */
export interface Documents {
  manifest: string;
  config: string;
}

/** Of both together, in bytes. */
export const maxDocumentBytes = 8 << 20;
const what = 'the difference of the image’s documents';

/** The documents of an image for somebody who has those of another one. */
export async function packDocuments(documents: Documents, base: Documents): Promise<Buffer> {
  const bytes = joined(documents);
  const frame = await zstdOf(bytes, { level: 19, dictionary: joined(base), maxWindow: 2 * maxDocumentBytes });
  return Buffer.concat([varint(bytes.length), frame]);
}

/** The same documents again, whose digests are still to be checked. Throws a `DeltaError`. */
export async function unpackDocuments(packed: Buffer, base: Documents): Promise<Documents> {
  const reader = new ByteReader(packed, what);
  const size = reader.varint();
  if (size > maxDocumentBytes)
    throw new DeltaError(
      'limit',
      `the documents of the image have ${size} bytes, and only ${maxDocumentBytes} are taken`,
    );
  const text = (await unzstd(reader.bytes(reader.left), { size, dictionary: joined(base), what })).toString('utf8');
  const end = text.indexOf('\0');
  if (end < 0) throw new DeltaError('invalid', `${what} is damaged: there are not two of them in it`);
  return { manifest: text.slice(0, end), config: text.slice(end + 1) };
}

/** Neither of the two can have a zero byte in it: they are JSON. */
function joined({ manifest, config }: Documents): Buffer {
  return Buffer.from(`${manifest}\0${config}`, 'utf8');
}

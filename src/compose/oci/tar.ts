import type { Readable } from 'node:stream';
import { extract, type Header, type Pack, pack } from 'tar-stream';
import type { Entry } from './entry.ts';

/** Reads a tar stream entry by entry; contents are held in memory one at a time. */
export async function* readTar(source: Readable): AsyncGenerator<Entry> {
  const reader = extract();
  source.on('error', (error) => reader.destroy(error));
  source.pipe(reader);
  for await (const entry of reader) {
    const header = entry.header;
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const type = kindOf(header.type);
    const path = cleanPath(header.name);
    if (type === undefined || path === '') continue;
    yield {
      path,
      type,
      mode: (header.mode ?? 0o644) & 0o7777,
      uid: header.uid ?? 0,
      gid: header.gid ?? 0,
      mtime: Math.floor((header.mtime?.getTime() ?? 0) / 1000),
      ...(header.linkname ? { linkname: type === 'link' ? cleanPath(header.linkname) : header.linkname } : {}),
      ...(type === 'file' ? { content: Buffer.concat(chunks) } : {}),
      ...(type.endsWith('device') ? { devmajor: header.devmajor ?? 0, devminor: header.devminor ?? 0 } : {}),
      ...(xattrs(header) ?? {}),
    };
  }
}

/** Writes one entry, waiting until the stream has room. */
export async function writeEntry(tar: Pack, entry: Entry): Promise<void> {
  const header = {
    name: entry.type === 'directory' ? `${entry.path}/` : entry.path,
    type: entry.type === 'character-device' ? 'character-device' : entry.type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtime: new Date(entry.mtime * 1000),
    uname: '',
    gname: '',
    ...(entry.linkname === undefined ? {} : { linkname: entry.linkname }),
    ...(entry.devmajor === undefined ? {} : { devmajor: entry.devmajor, devminor: entry.devminor ?? 0 }),
    ...(entry.pax === undefined ? {} : { pax: entry.pax }),
  };
  const content = entry.content ?? Buffer.alloc(0);
  await new Promise<void>((resolve, reject) => {
    const size = entry.type === 'file' ? content.length : 0;
    const sink = tar.entry({ ...header, size } as Header, (error) => (error ? reject(error) : resolve()));
    sink.on('error', reject);
    if (entry.type === 'file') sink.end(content);
  });
}

export { pack };

function kindOf(type: Header['type']): Entry['type'] | undefined {
  if (type === 'contiguous-file') return 'file';
  if (type === undefined || type === null) return undefined;
  return type as Entry['type'];
}

function xattrs(header: Header): { pax: Record<string, string> } | undefined {
  const kept = Object.entries(header.pax ?? {}).flatMap(([key, value]): [string, string][] =>
    key.startsWith('SCHILY.xattr.') ? [[key, String(value)]] : [],
  );
  return kept.length > 0 ? { pax: Object.fromEntries(kept) } : undefined;
}

function cleanPath(name: string): string {
  return name.replace(/^(\.?\/)+/, '').replace(/\/+$/, '');
}

/** A reader of FAT32 as simple as can be, from the format's description: what is written is read by other means. */
export function readFat32(image: Buffer): Map<string, Buffer> {
  const perCluster = image.readUInt8(13) * 512;
  const fatAt = image.readUInt16LE(14) * 512;
  const fatBytes = image.readUInt32LE(36) * 512;
  const dataAt = fatAt + image.readUInt8(16) * fatBytes;
  const chain = (cluster: number): Buffer => {
    const parts: Buffer[] = [];
    for (let at = cluster; at >= 2 && at < 0x0ffffff8; at = image.readUInt32LE(fatAt + at * 4) & 0x0fffffff) {
      parts.push(image.subarray(dataAt + (at - 2) * perCluster, dataAt + (at - 1) * perCluster));
    }
    return Buffer.concat(parts);
  };
  const files = new Map<string, Buffer>();
  const walk = (cluster: number, prefix: string) => {
    const folder = chain(cluster);
    let long = '';
    for (let at = 0; at < folder.length && folder.readUInt8(at) !== 0; at += 32) {
      const entry = folder.subarray(at, at + 32);
      const attributes = entry.readUInt8(11);
      if (attributes === 0x0f) {
        const units = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30].map((position) => entry.readUInt16LE(position));
        const part = units.filter((unit) => unit !== 0 && unit !== 0xffff);
        long = String.fromCharCode(...part) + long;
        continue;
      }
      const base = entry.toString('latin1', 0, 8).trimEnd();
      const extension = entry.toString('latin1', 8, 11).trimEnd();
      const name = long || (extension === '' ? base : `${base}.${extension}`);
      long = '';
      if ((attributes & 0x08) !== 0 || base === '.' || base === '..') continue;
      const first = (entry.readUInt16LE(20) << 16) | entry.readUInt16LE(26);
      if ((attributes & 0x10) !== 0) walk(first, `${prefix}${name}/`);
      else files.set(prefix + name, chain(first).subarray(0, entry.readUInt32LE(28)));
    }
  };
  walk(image.readUInt32LE(44), '');
  return files;
}

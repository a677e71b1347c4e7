import { ComposeError } from '../errors.ts';

/** A node of a device tree: its properties and the nodes in it, in their order. */
export interface DeviceNode {
  name: string;
  properties: Map<string, Buffer>;
  children: DeviceNode[];
}

/** A device tree with what is beside its nodes. */
export interface DeviceTree {
  root: DeviceNode;
  /** Memory reservations, as they are in the file, with their end mark. */
  reservations: Buffer;
  bootCpu: number;
}

const magic = 0xd00dfeed;
const headerBytes = 40;
const beginNode = 1;
const endNode = 2;
const property = 3;
const nop = 4;
const end = 9;

/** Reads a flattened device tree (Devicetree Specification 0.4, chapter 5). Throws on what is none. */
export function parseDeviceTree(blob: Buffer): DeviceTree {
  if (blob.length < headerBytes || blob.readUInt32BE(0) !== magic) throw new ComposeError('this is no device tree');
  const [structure, strings, reservations] = [8, 12, 16].map((offset) => blob.readUInt32BE(offset)) as Three;
  let at = structure;
  const word = () => {
    at += 4;
    return blob.readUInt32BE(at - 4);
  };
  const text = (from: number) => blob.toString('latin1', from, blob.indexOf(0, from));
  const node = (): DeviceNode => {
    const name = text(at);
    at = align(at + name.length + 1);
    const result: DeviceNode = { name, properties: new Map(), children: [] };
    for (let token = word(); token !== endNode; token = word()) {
      if (token === beginNode) result.children.push(node());
      else if (token === property) {
        const [length, nameOffset] = [word(), word()];
        result.properties.set(text(strings + nameOffset), blob.subarray(at, at + length));
        at = align(at + length);
      } else if (token !== nop) throw new ComposeError(`the device tree is damaged at byte ${at - 4}`);
    }
    return result;
  };
  if (word() !== beginNode) throw new ComposeError('the device tree has no root node');
  const root = node();
  let reservedEnd = reservations;
  while (blob.readBigUInt64BE(reservedEnd) !== 0n || blob.readBigUInt64BE(reservedEnd + 8) !== 0n) reservedEnd += 16;
  return { root, reservations: blob.subarray(reservations, reservedEnd + 16), bootCpu: blob.readUInt32BE(28) };
}

/** The file of a device tree, version 17. */
export function printDeviceTree({ root, reservations, bootCpu }: DeviceTree): Buffer {
  const words: Buffer[] = [];
  const strings: string[] = [];
  const offsets = new Map<string, number>();
  let stringBytes = 0;
  const offsetOf = (name: string) => {
    const known = offsets.get(name);
    if (known !== undefined) return known;
    const offset = stringBytes;
    offsets.set(name, offset);
    strings.push(`${name}\0`);
    stringBytes += name.length + 1;
    return offset;
  };
  const print = (node: DeviceNode) => {
    words.push(cells(beginNode), padded(Buffer.from(`${node.name}\0`, 'latin1')));
    for (const [name, value] of node.properties) {
      words.push(cells(property, value.length, offsetOf(name)), padded(value));
    }
    for (const child of node.children) print(child);
    words.push(cells(endNode));
  };
  print(root);
  words.push(cells(end));
  const structure = Buffer.concat(words);
  const structureAt = headerBytes + reservations.length;
  const stringsAt = structureAt + structure.length;
  const total = stringsAt + stringBytes;
  const sizes = [bootCpu, stringBytes, structure.length];
  const header = cells(magic, total, structureAt, stringsAt, headerBytes, 17, 16, ...sizes);
  return Buffer.concat([header, reservations, structure, Buffer.from(strings.join(''), 'latin1')]);
}

/** The node of a path such as `/soc/serial@7e201000`. Throws when there is none. */
export function nodeAt(tree: DeviceTree, path: string): DeviceNode {
  let node = tree.root;
  for (const name of path.split('/').filter(Boolean)) {
    const child = node.children.find((candidate) => candidate.name === name);
    if (child === undefined) throw new ComposeError(`the device tree has no node ${path}`);
    node = child;
  }
  return node;
}

/** A property's value as the text it is, without its end mark. */
export function textOf(node: DeviceNode, name: string): string {
  const value = node.properties.get(name);
  if (value === undefined) throw new ComposeError(`the device tree’s node ${node.name} has no ${name}`);
  return value.toString('latin1').replace(/\0$/, '');
}

/** Numbers as cells of 32 bits. */
export function cells(...values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) buffer.writeUInt32BE(value >>> 0, index * 4);
  return buffer;
}

type Three = [number, number, number];

function align(offset: number): number {
  return (offset + 3) & ~3;
}

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc(align(data.length) - data.length)]);
}

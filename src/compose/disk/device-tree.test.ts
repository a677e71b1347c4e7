import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cells,
  type DeviceNode,
  type DeviceTree,
  nodeAt,
  parseDeviceTree,
  printDeviceTree,
  textOf,
} from './device-tree.ts';
import { withSerialOnFullUart } from './raspberry-pi.ts';

const noReservations = Buffer.alloc(16);
const text = (value: string) => Buffer.from(`${value}\0`);

function node(name: string, properties: Record<string, Buffer> = {}, children: DeviceNode[] = []): DeviceNode {
  return { name, properties: new Map(Object.entries(properties)), children };
}

const plain = (each: DeviceNode): unknown => [each.name, [...each.properties], each.children.map(plain)];

const { tree: anyTree } = fc.letrec<{ tree: DeviceNode }>((tie) => ({
  tree: fc.record({
    name: fc.string({ maxLength: 12, unit: fc.constantFrom(...'abc@019,-') }),
    properties: fc
      .dictionary(
        fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom(...'abc#,-') }),
        fc.uint8Array({ maxLength: 9 }),
      )
      .map((entries) => new Map(Object.entries(entries).map(([key, value]) => [key, Buffer.from(value)]))),
    children: fc.oneof({ maxDepth: 3 }, fc.constant<DeviceNode[]>([]), fc.array(tie('tree'), { maxLength: 3 })),
  }),
}));

/** What Linux’s own device trees of Raspberry Pis say of the serial lines. */
function raspberryPi(): DeviceTree {
  const symbols = {
    uart0: text('/soc/serial@7e201000'),
    uart1: text('/soc/serial@7e215040'),
    uart0_gpio14: text('/soc/gpio@7e200000/uart0-gpio14'),
    bt: text('/soc/serial@7e201000/bluetooth'),
  };
  const soc = node('soc', {}, [
    node('gpio@7e200000', {}, [node('uart0-gpio14', { phandle: cells(0x35) })]),
    node('serial@7e201000', { status: text('okay'), 'pinctrl-0': cells(8, 9) }, [node('bluetooth')]),
    node('serial@7e215040', { status: text('okay') }),
  ]);
  const chosen = node('chosen', { 'stdout-path': text('serial1:115200n8') });
  return { root: node('', {}, [chosen, soc, node('__symbols__', symbols)]), reservations: noReservations, bootCpu: 3 };
}

describe('a device tree', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(anyTree, fc.nat(), (root, bootCpu) => {
        const blob = printDeviceTree({ root, reservations: noReservations, bootCpu });
        expect(blob.readUInt32BE(4)).toBe(blob.length);
        const read = parseDeviceTree(blob);
        expect(read.bootCpu).toBe(bootCpu);
        expect(plain(read.root)).toEqual(plain(root));
      }),
    );
  });

  it('that is none is refused', () => {
    expect(() => parseDeviceTree(Buffer.from('MZ'))).toThrow(/no device tree/);
    const blob = printDeviceTree(raspberryPi());
    blob.writeUInt32BE(77, blob.readUInt32BE(8) + 8);
    expect(() => parseDeviceTree(blob)).toThrow(/damaged/);
  });

  it('of a Raspberry Pi gets the full UART at its pins', () => {
    const tree = parseDeviceTree(withSerialOnFullUart(printDeviceTree(raspberryPi())));
    const full = nodeAt(tree, '/soc/serial@7e201000');
    expect(full.properties.get('pinctrl-0')).toEqual(cells(0x35));
    // A serial port with a device of its own in the tree would not become a terminal.
    expect(full.children).toEqual([]);
    expect(textOf(nodeAt(tree, '/soc/serial@7e215040'), 'status')).toBe('disabled');
    expect(textOf(nodeAt(tree, '/chosen'), 'stdout-path')).toBe('serial0:115200n8');
    expect(nodeAt(tree, '/__symbols__').properties.has('bt')).toBe(false);
    expect(() => nodeAt(tree, '/soc/serial@7e201000/bluetooth')).toThrow(/no node/);
  });
});

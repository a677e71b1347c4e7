import { table } from '../table.ts';
import type { DeltaMeasured, DeltaSet, DeltaWay } from './measure.ts';

/** Bytes a second of a line at 115,200 baud. */
const LINE = 11_520;

/** The part of docs/benchmarks.md about differences. */
export function deltaSections(measured: DeltaMeasured | string): string[] {
  const title = '## What travels when a layer changes';
  if (typeof measured === 'string') return [title, measured];
  const { sets, barePeak, missing } = measured;
  return [
    title,
    'Two versions of a layer; the device has the older one. “Bytes”: all that has to be sent. “Line”: how long that takes at 115,200 baud, without anything else. “Host” and “device”: processor seconds of making and of applying it; “memory”: the most that the applying process had resident at a time. Every way rebuilds the exact tar, checked by its digest. Gantry works with its greatest effort, as on a serial line, on one processor or two; its process on the device hashes the tar instead of writing it, the others write it. ' +
      `A process of that kind that applies nothing has ${megabytes(barePeak)} MB resident.`,
    ...(missing.length > 0 ? [`Not measured: ${missing.join(' ')}`] : []),
    sets.map(({ pair }) => `- ${pair.name}: ${pair.words}`).join('\n'),
    table(
      ['', '', 'bytes', 'line, s', 'host, s', 'device, s', 'memory, MB'],
      sets.flatMap((set) => [...set.rivals, set.gantry].map((way, i) => [i === 0 ? set.pair.name : '', ...cells(way)])),
    ),
    'Gantry against the smallest of the others (aim: never more than 1.05 of it), and its memory beside that of a process that applies nothing (aim: at most 50 MB more for a release of Node):',
    table(
      ['', 'bytes', 'aim', 'of the smallest other', 'extra memory, MB'],
      sets.map((set) => against(set, barePeak)),
    ),
  ];
}

function cells({ name, bytes, hostCpu, deviceCpu, devicePeak }: DeltaWay): string[] {
  return [
    name,
    ...[
      whole(bytes),
      (bytes / LINE).toFixed(bytes < LINE ? 2 : 0),
      hostCpu.toFixed(1),
      deviceCpu.toFixed(2),
      megabytes(devicePeak),
    ],
  ];
}

function against({ pair, aim, gantry, rivals }: DeltaSet, barePeak: number): string[] {
  const best = rivals.reduce<DeltaWay | undefined>(
    (least, one) => (least && least.bytes <= one.bytes ? least : one),
    undefined,
  );
  const ratio = best ? `${(gantry.bytes / best.bytes).toFixed(2)} (${best.name})` : '';
  return [
    pair.name,
    whole(gantry.bytes),
    aim === undefined ? '' : `≤ ${whole(aim)}`,
    ratio,
    megabytes(gantry.devicePeak - barePeak),
  ];
}

function whole(value: number): string {
  return value.toLocaleString('en');
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

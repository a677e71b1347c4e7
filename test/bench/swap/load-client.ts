/**
 * Load from inside a network namespace. Argument: the options of `Load` as JSON. Prints a line when answers flow; at the
 * end of its input it stops, and prints the report.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Load, type LoadOptions } from '../../support/load.ts';

const flowing = 20;
const load = new Load(JSON.parse(process.argv[2] ?? '') as LoadOptions);
while (load.answered < flowing) await delay(5);
process.stdout.write('flowing\n');
process.stdin.resume();
await once(process.stdin, 'end');
process.stdout.write(`${JSON.stringify(await load.stop())}\n`);

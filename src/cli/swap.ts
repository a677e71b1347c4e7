import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { readYaml } from '../compose/yaml.ts';
import type { ConfigChange } from '../device/config-change.ts';
import type { SwapOrder } from '../device/device.ts';
import { componentConfigSchema } from '../shared/definition/component-config.ts';
import { addDeviceOptions } from './device-options.ts';
import { duration } from './duration.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { addJsonOption, printJson } from './output.ts';
import { showPlan } from './swap-plan.ts';
import { showSwap } from './swap-progress.ts';
import { withDevice } from './with-device.ts';

interface SwapOptions {
  env: NonNullable<ConfigChange['env']>;
  command?: string[];
  config?: string;
  dryRun?: boolean;
  retry?: boolean;
  stable?: string;
  json?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('swap')
    .summary('replace components by other images or configurations')
    .usage('[options] <name> [image] [name image]...')
    .description(
      'Sends what the device lacks of the images, then replaces the components, all or none. If the new ones are not ' +
        'healthy in time, or do not stay so, the device takes the old ones back by itself (exit code 4). Ctrl-C does ' +
        'not stop a swap that has begun.\n\n' +
        'IMAGE is an OCI layout (DIR or oci:DIR, with :TAG), a tar, a component built here, or HOST/NAME:TAG. One ' +
        'component can also get another configuration, with or without another image: --env, --command, --config.',
    )
    .argument('<words...>', 'a component and its image, or several such pairs')
    .option('--env <name=value>', 'set a variable (NAME= removes it); can be repeated', addVariable, [])
    .option('--command <words>', 'what to run: words, or a JSON list if they have spaces in them', commandWords)
    .option('--config <file>', 'YAML: fields of a component as in an OS definition; null removes one')
    .option('--dry-run', 'only say what would be done')
    .option('--retry', 'take an image or a configuration that failed before')
    .option('--stable <duration>', 'how long all must stay healthy, instead of what their definitions say', duration);
  addJsonOption(addDeviceOptions(command)).action(async (words: string[], options: SwapOptions) => {
    const orders = ordersOf(words, await configChange(options));
    await withDevice(command, async ({ device, color, signal }) => {
      if (options.dryRun) {
        const plan = await device.planSwap(orders, { stable: options.stable, signal });
        if (options.json) printJson(plan);
        else showPlan(plan, color);
        return;
      }
      const events = device.swap(orders, { retry: options.retry ?? false, stable: options.stable, signal });
      await showSwap(events, { json: options.json, color, signal });
    });
  });
}

/** `NAME IMAGE` pairs; with a change of configuration one component, whose image may be left out. */
function ordersOf(words: string[], config: ConfigChange | undefined): SwapOrder[] {
  if (config) {
    const [name = '', image, ...more] = words;
    if (more.length > 0) throw usage('--env, --command and --config go with one component');
    return [{ name, ...(image === undefined ? {} : { image }), config }];
  }
  if (words.length % 2 !== 0) {
    const last = words.at(-1) ?? '';
    throw usage(`what shall ${last} be swapped for? Give an image after it, or --env, --command or --config`);
  }
  const orders: SwapOrder[] = [];
  for (let at = 0; at < words.length; at += 2) orders.push({ name: words[at] ?? '', image: words[at + 1] ?? '' });
  const twice = orders.find(({ name }, at) => orders.findIndex((order) => order.name === name) !== at);
  if (twice) throw usage(`${twice.name} is named twice`);
  return orders;
}

async function configChange({ env, command, config }: SwapOptions): Promise<ConfigChange | undefined> {
  if (env.length === 0 && command === undefined && config === undefined) return undefined;
  const fields = config === undefined ? {} : await readYaml(config, configFileSchema);
  return { fields: { ...fields, ...(command ? { command } : {}) }, env };
}

/** The fields of a component; each may be null. */
const configFileSchema = z.strictObject(
  Object.fromEntries(Object.entries(componentConfigSchema.shape).map(([name, field]) => [name, field.nullable()])),
);

function addVariable(text: string, before: SwapOptions['env']): SwapOptions['env'] {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('Give NAME=VALUE, or NAME= to remove a variable.');
  const value = text.slice(at + 1);
  return [...before, { name: text.slice(0, at), ...(value === '' ? {} : { value }) }];
}

function commandWords(text: string): string[] {
  if (!text.trimStart().startsWith('[')) return text.split(/\s+/).filter(Boolean);
  try {
    return z.array(z.string()).min(1).parse(JSON.parse(text));
  } catch {
    throw new InvalidArgumentError('Give words, or a JSON list of texts.');
  }
}

function usage(message: string): ExitError {
  return new ExitError(exitCodes.usage, message);
}

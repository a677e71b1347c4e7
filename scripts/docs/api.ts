import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { refusalRoutes } from '../../init-container/api/refusals.ts';
import { type Call, HttpError, type Route } from '../../init-container/api/router.ts';
import { doingRoutes, type RouteContext } from '../../init-container/api/routes.ts';
import {
  announceImageSchema,
  deviceExecSchema,
  gcRequestSchema,
  powerRequestSchema,
  rollbackRequestSchema,
  swapPlanRequestSchema,
  swapRequestSchema,
  upgradeRequestSchema,
} from '../../src/shared/api/types.ts';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { checkoutRoot } from '../checkout.ts';
import { answerNames, bodyWords, routeWords } from './api-words.ts';
import { code, generatedNote, page, table } from './markdown.ts';
import { fieldRows, schemaAt } from './schema-rows.ts';

const bodies: Record<keyof typeof bodyWords, z.ZodType> = {
  'POST /gantry/v1/images': announceImageSchema,
  'POST /gantry/v1/swap': swapRequestSchema,
  'POST /gantry/v1/swap/plan': swapPlanRequestSchema,
  'POST /gantry/v1/rollback': rollbackRequestSchema,
  'POST /gantry/v1/power': powerRequestSchema,
  'POST /gantry/v1/gc': gcRequestSchema,
  'POST /gantry/v1/upgrade': upgradeRequestSchema,
  'POST /gantry/v1/exec': deviceExecSchema,
};

/** Described elsewhere: a configuration in the OS definition, an image's documents where they are announced. */
const ownTables = ['changes.config', 'images'];

/** The API of the device: which routes there are comes from the code that serves them. */
export function apiReference(): string {
  const routes = servedRoutes();
  const unknown = Object.keys(routeWords).filter((key) => !routes.some((route) => keyOf(route) === key));
  if (unknown.length > 0) throw new Error(`words in scripts/docs for routes that do not exist: ${unknown.join(', ')}`);
  const own = (route: Route) => route.pattern.startsWith('/gantry/');
  return page(
    '# API of a device',
    generatedNote,
    `HTTP on \`${devicePaths.apiSocket}\` of the device. Every transport leads there; \`gantry proxy\` makes it a socket of the host.`,
    'Errors are `{"message": "…"}` with an HTTP status, as Docker’s are. Streams of `/gantry/v1/` are one JSON object a ' +
      'line (`application/x-ndjson`). Times are RFC 3339 in UTC.',
    '## Docker Engine API',
    'The part that a debugging person uses, with or without a version prefix such as `/v1.46`. The system containers are ' +
      'Docker’s containers; `{id}` is an id, the beginning of one, or the name of a component.',
    routeTable(routes.filter((route) => !own(route))),
    '### Refused',
    'What Docker can do and a device will not:',
    table(['request', 'status', 'message'], refusalRoutes().map(refusal)),
    '## /gantry/v1/',
    routeTable(routes.filter(own)),
    '### Bodies',
    ...(Object.keys(bodies) as (keyof typeof bodyWords)[]).flatMap((key) => [
      `#### ${key}`,
      table(['field', 'value', 'what it is'], fieldRows(schemaAt(bodies[key]), bodyWords[key], ownTables)),
    ]),
    '### Answers',
    `\`\`\`ts\n${answers()}\n\`\`\``,
  );
}

/** The routes know their context only when they are called, and none is called here. */
function servedRoutes(): Route[] {
  return doingRoutes({} as RouteContext);
}

function keyOf({ method, pattern }: Route): string {
  return `${method} ${pattern}`;
}

function routeTable(routes: Route[]): string {
  const rows = routes.map((route) => {
    const words = routeWords[keyOf(route)];
    if (words === undefined) throw new Error(`the route ${keyOf(route)} has no words in scripts/docs`);
    return [code(keyOf(route).replace('*}', '}')), words];
  });
  return table(['request', 'what it does'], rows);
}

/** A row for a route that refuses. */
function refusal(route: Route): string[] {
  try {
    route.handler({} as Call);
  } catch (error) {
    if (error instanceof HttpError) return [code(keyOf(route).replace('*}', '}')), String(error.status), error.message];
    throw error;
  }
  throw new Error(`${keyOf(route)} is among the refusals, and does not refuse`);
}

/** The declarations of what is answered, with their comments, as the code has them. */
function answers(): string {
  const files = ['types.ts', 'storage.ts', 'swap.ts', 'upgrade.ts'];
  const source = files.map((file) => readFileSync(join(checkoutRoot(), 'src/shared/api', file), 'utf8')).join('\n');
  const declarations = answerNames.map((name) => {
    const found = new RegExp(
      `(?:/\\*\\*(?:(?!\\*/)[\\s\\S])*\\*/\\n)?export (?:interface ${name} \\{[\\s\\S]*?\\n\\}|type ${name} =[^;]*;)`,
    ).exec(source);
    if (found === null) throw new Error(`src/shared/api has no ${name}`);
    return found[0].replaceAll('export ', '');
  });
  return declarations.join('\n\n');
}

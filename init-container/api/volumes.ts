import { stat } from 'node:fs/promises';
import type { VolumeFolder } from '../engine/volumes.ts';
import type { ApiContext } from './context.ts';
import { filtersOf } from './filters.ts';
import { sendJson } from './respond.ts';
import { HttpError, type Route } from './router.ts';

/** The volumes of the current revision. They are the OS definition's: here they are only looked at. */
export function volumeRoutes({ volumes }: ApiContext): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/volumes',
      handler: async ({ response, query }) => {
        const names = filtersOf(query.get('filters')).get('name') ?? [];
        const found = (await volumes.volumeFolders()).filter(
          ({ name }) => names.length === 0 || names.some((part) => name.includes(part)),
        );
        sendJson(response, 200, { Volumes: await Promise.all(found.map(volumeJson)), Warnings: [] });
      },
    },
    {
      method: 'GET',
      pattern: '/volumes/{name}',
      handler: async ({ response, params }) => {
        const found = (await volumes.volumeFolders()).find(({ name }) => name === params.name);
        if (!found) throw new HttpError(404, `get ${params.name}: no such volume`);
        sendJson(response, 200, await volumeJson(found));
      },
    },
  ];
}

/** In Docker's words; how long it lives and who uses it are labels. */
async function volumeJson({ name, persistence, folder, users }: VolumeFolder) {
  const made = await stat(folder).catch(() => undefined);
  return {
    Name: name,
    Driver: 'local',
    Mountpoint: folder,
    // One that nothing has bound yet is not there yet.
    CreatedAt: made?.birthtime.toISOString() ?? '',
    Labels: { 'gantry.persistence': persistence, 'gantry.users': users.join(',') },
    Scope: 'local',
    Options: null,
  };
}

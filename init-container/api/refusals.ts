import { HttpError, type Route } from './router.ts';

/**
 * What Docker can do and a device will not, because its OS definition says what exists: refused with a sentence that
 * names the right command, so that nobody has to guess from a 404.
 */
export function refusalRoutes(): Route[] {
  const refuse = (method: Route['method'], pattern: string, status: number, message: string): Route => ({
    method,
    pattern,
    handler: () => {
      throw new HttpError(status, message);
    },
  });
  const definition = 'the OS definition says which containers exist';
  const copying = 'use: gantry exec NAME cat FILE, or tar where the image has it';
  const swap = 'to replace a container, use: gantry swap NAME IMAGE';
  return [
    refuse('POST', '/containers/create', 403, `cannot create a container on a device: ${definition}; ${swap}`),
    refuse(
      'DELETE',
      '/containers/{id}',
      409,
      `cannot remove a system container: ${definition}; to end it, use: gantry stop NAME`,
    ),
    refuse('POST', '/containers/{id}/rename', 409, `cannot rename a system container: ${definition}`),
    refuse('POST', '/containers/{id}/update', 409, `cannot change a system container's limits: ${definition}; ${swap}`),
    refuse('POST', '/containers/{id}/pause', 409, 'cannot pause a system container; to end it, use: gantry stop NAME'),
    refuse(
      'POST',
      '/containers/{id}/unpause',
      409,
      'system containers are never paused; to start one, use: gantry start NAME',
    ),
    refuse('POST', '/containers/prune', 403, `cannot remove system containers: ${definition}`),
    refuse('POST', '/images/create', 403, 'a device does not pull images; to send it one, use: gantry swap NAME IMAGE'),
    refuse('POST', '/images/load', 403, 'a device takes images only with a swap; use: gantry swap NAME IMAGE'),
    refuse('POST', '/networks/create', 403, `cannot create a network on a device: ${definition}`),
    refuse('POST', '/volumes/create', 403, `cannot create a volume on a device: ${definition}`),
    refuse('DELETE', '/volumes/{name}', 409, 'volumes belong to revisions of the device; see: gantry revisions'),
    refuse('POST', '/volumes/prune', 409, 'volumes belong to revisions of the device; see: gantry gc'),
    refuse('POST', '/networks/prune', 403, 'a device has no networks of Docker’s to remove'),
    ...(['GET', 'HEAD', 'PUT'] as const).map((method) =>
      refuse(method, '/containers/{id}/archive', 501, `cannot copy files of a system container; ${copying}`),
    ),
    refuse('GET', '/containers/{id}/export', 501, `cannot export a system container; ${copying}`),
    refuse(
      'GET',
      '/containers/{id}/changes',
      501,
      'what a system container has changed is not known; its root is read-only',
    ),
    refuse('POST', '/commit', 403, 'a device does not make images; on your machine, use: gantry component build'),
    refuse('GET', '/images/get', 403, 'a device gives no images away; where it was built, it is an OCI layout'),
    refuse('POST', '/images/{name*}/tag', 403, 'the names of images come with swaps; use: gantry swap NAME IMAGE'),
    refuse(
      'GET',
      '/system/df',
      501,
      'the room on a device is shared by all images; use: gantry info, gantry gc --dry-run',
    ),
    refuse('POST', '/build', 403, 'a device does not build images; on your machine, use: gantry component build'),
  ];
}

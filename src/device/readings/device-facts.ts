import type { DeviceInfo, StorageInfo, UpgradeStatus } from '../../shared/api/types.ts';
import { formatBytes, formatDuration } from '../../shared/text/format.ts';

/** What is known of a device, for people: a name and a value each. `upgrade`: the newest whole image that was sent to it. */
export function deviceFacts(info: DeviceInfo, upgrade?: UpgradeStatus): [name: string, value: string][] {
  const { memory, init, revision, storage } = info;
  const fact = (name: string, value: string | undefined): [string, string][] =>
    value === undefined ? [] : [[name, value]];
  return [
    ...fact('host name', info.hostname),
    ...fact('runs on', info.distribution),
    ...fact('image', `${info.image.name} (${info.image.id.slice(0, 19)})`),
    ...fact('upgrade', upgrade && upgradeText(upgrade)),
    ...fact('revision', `${revision.number} (${revision.digest.slice(0, 19)})`),
    ...fact('keeps revisions', keepsRevisions(info)),
    ...fact('kernel', `${info.kernel} ${info.arch}, ${info.cpus} ${info.cpus === 1 ? 'processor' : 'processors'}`),
    ...fact('memory', `${formatBytes(memory.availableBytes)} available of ${formatBytes(memory.totalBytes)}`),
    ...fact('storage', storage && storageText(storage)),
    ...fact('damage', storage?.damage),
    ...fact('up for', formatDuration(info.uptimeSeconds)),
    ...fact(
      'init container',
      `${init.version}, pid ${init.pid}, ${formatBytes(init.privateBytes)} private memory, since ${init.startedAt}`,
    ),
    ...fact('watchdog', watchdogText(info.watchdog)),
  ];
}

/** The facts as lines, names and values in columns. */
export function factLines(facts: readonly [name: string, value: string][]): string[] {
  return facts.map(([name, value]) => `${name.padEnd(16)}${value}`);
}

/** What a person must know at once; undefined when all is well. */
export function deviceAlarm({ watchdog, storage }: DeviceInfo): string | undefined {
  if (watchdog && !watchdog.feeding) return `watchdog not fed: ${watchdog.reason ?? 'no reason known'}`;
  return storage?.damage;
}

function upgradeText({ name, id, state, detail }: UpgradeStatus): string {
  const image = `${name} (${id})`;
  switch (state) {
    case 'written':
      return `${image} is in its slot, and was not started`;
    case 'trying':
      return `${image} is on trial: kept when all is healthy, else the device goes back`;
    case 'kept':
      return `${image} is kept: it starts at each boot`;
    case 'failed':
      return `${image} failed: ${detail ?? 'no reason known'}`;
  }
}

function storageText({ totalBytes, freeBytes, reclaimableBytes, quarantinedBytes }: StorageInfo): string {
  const quarantine = quarantinedBytes > 0 ? `, ${formatBytes(quarantinedBytes)} in quarantine` : '';
  const free = `${formatBytes(freeBytes)} free of ${formatBytes(totalBytes)}`;
  return `${free}, "gantry gc" would free ${formatBytes(reclaimableBytes)}${quarantine}`;
}

function watchdogText(watchdog: DeviceInfo['watchdog']): string {
  if (watchdog === undefined) return 'none';
  const { device, timeoutSeconds, feeding, reason } = watchdog;
  if (feeding) return `${device}, restarts the device after ${timeoutSeconds} s without a sign of life`;
  return `${device} IS NOT FED (${reason ?? 'no reason known'}): the device restarts within ${timeoutSeconds} s`;
}

function keepsRevisions({ persistent, distribution }: DeviceInfo): string {
  if (!persistent) return 'no: a power-off takes it back to the factory revision';
  return distribution === undefined ? 'yes, on its data partition' : 'yes, in /var/lib/gantry';
}

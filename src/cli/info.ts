import type { Command } from 'commander';
import type { DeviceInfo, StorageInfo } from '../shared/api/types.ts';
import { formatBytes, formatDuration } from '../shared/text/format.ts';
import { addDeviceOptions } from './device-options.ts';
import { addJsonOption, printJson } from './output.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('info')
    .summary('the device itself')
    .description('Shows what the device is: image, revision, kernel, memory, init container.');
  addJsonOption(addDeviceOptions(command)).action(async (options: { json?: boolean }) => {
    await withDevice(command, async ({ device }) => {
      const info = await device.info();
      if (options.json) printJson(info);
      else process.stdout.write(describe(info));
    });
  });
}

function describe(info: DeviceInfo): string {
  const { memory, init, revision, storage } = info;
  const facts: [string, string][] = [
    ['host name', info.hostname],
    ...(info.distribution === undefined ? [] : [['runs on', info.distribution] satisfies [string, string]]),
    ['image', `${info.image.name} (${info.image.id.slice(0, 19)})`],
    ['revision', `${revision.number} (${revision.digest.slice(0, 19)})`],
    ['keeps revisions', keepsRevisions(info)],
    ['kernel', `${info.kernel} ${info.arch}, ${info.cpus} ${info.cpus === 1 ? 'processor' : 'processors'}`],
    ['memory', `${formatBytes(memory.availableBytes)} available of ${formatBytes(memory.totalBytes)}`],
    ...(storage ? [['storage', storageText(storage)] as [string, string]] : []),
    ...(storage?.damage === undefined ? [] : [['damage', storage.damage] as [string, string]]),
    ['up for', formatDuration(info.uptimeSeconds)],
    [
      'init container',
      `${init.version}, pid ${init.pid}, ${formatBytes(init.privateBytes)} private memory, since ${init.startedAt}`,
    ],
    ['watchdog', watchdogText(info.watchdog)],
  ];
  return facts.map(([name, value]) => `${name.padEnd(16)}${value}\n`).join('');
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

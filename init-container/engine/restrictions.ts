import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';

/** Docker's defaults: what tells a container about the machine, or lets it change the machine, through /proc and /sys. */
export const defaultMaskedPaths = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];
export const defaultReadonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Docker's `privileged`: no filter, no masks. SYS_ADMIN alone is not: what it needs besides, its definition says. */
export function isPrivileged(config: ComponentConfig): boolean {
  return (config.capabilities ?? []).some((name) => name.toLowerCase() === 'all');
}

/** Unless the definition opens it. */
export function isReadOnly(config: ComponentConfig): boolean {
  return config.readonly ?? true;
}

/** Without the default system call filter. */
export function isUnfiltered(config: ComponentConfig): boolean {
  return isPrivileged(config) || (config.security_opt ?? []).some((option) => /^seccomp[=:]unconfined$/.test(option));
}

export function maskedPathsOf(config: ComponentConfig): string[] {
  return config.maskedPaths ?? (isPrivileged(config) ? [] : defaultMaskedPaths);
}

export function readonlyPathsOf(config: ComponentConfig): string[] {
  return config.readonlyPaths ?? (isPrivileged(config) ? [] : defaultReadonlyPaths);
}

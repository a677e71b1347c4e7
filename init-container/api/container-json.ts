import { uptime } from 'node:os';
import { parseBind } from '../../src/shared/definition/bind.ts';
import { grantsOf } from '../engine/grants.ts';
import { isPrivileged, isReadOnly, isUnfiltered, maskedPathsOf, readonlyPathsOf } from '../engine/restrictions.ts';
import type { Component } from '../supervisor/component.ts';
import { defaultRestart } from '../supervisor/policy.ts';
import { humanDuration } from './durations.ts';

/** What Docker writes for a time that never was. */
const never = '0001-01-01T00:00:00Z';

const seconds = (iso: string | undefined) => (iso ? Math.floor(Date.parse(iso) / 1000) : 0);

/** Docker's word for the state. A container that waits for its next try is `restarting`. */
export function dockerState(component: Component): 'created' | 'running' | 'restarting' | 'exited' {
  if (component.running) return 'running';
  if (component.activity === 'waiting' && component.state.phase === 'exited') return 'restarting';
  return component.state.phase === 'exited' ? 'exited' : 'created';
}

/** Docker's sentence: "Up 3 minutes (healthy)", "Exited (0) 2 hours ago". */
export function dockerStatus(component: Component, now = Date.now()): string {
  const { state, health } = component;
  const since = (iso: string | undefined) =>
    humanDuration(Math.max(0, now - Date.parse(iso ?? new Date(now).toISOString())));
  switch (dockerState(component)) {
    case 'running': {
      const words = health === 'starting' ? 'health: starting' : health;
      return `Up ${humanDuration(component.uptimeMs ?? 0)}${health === 'none' ? '' : ` (${words})`}`;
    }
    case 'restarting':
      return `Restarting (${state.exitCode ?? 0}) ${since(state.finishedAt)} ago`;
    case 'exited':
      return `Exited (${state.exitCode ?? 0}) ${since(state.finishedAt)} ago`;
    default:
      return 'Created';
  }
}

/** Compose's labels make lazydocker group the components; `gantry.kind` is ours. */
function labelsOf(component: Component): Record<string, string> {
  return { ...component.record?.imageConfig.Labels, 'gantry.kind': component.kind };
}

const networkMode = (component: Component) => {
  const { net = 'host' } = component.config;
  return net === 'new' ? 'none' : net;
};

function mountsOf(component: Component) {
  return (component.config.binds ?? []).flatMap((text) => {
    const bind = bindOf(text);
    if (!bind) return [];
    const { source, volume, destination, options, writable } = bind;
    const folder = volume ? (component.record?.volumes?.[source] ?? '') : source;
    return {
      Type: volume ? 'volume' : 'bind',
      ...(volume ? { Name: source, Driver: 'local' } : {}),
      Source: folder,
      Destination: destination,
      Mode: options.join(','),
      RW: writable,
      Propagation: options.find((option) => /^r?(shared|slave|private)$/.test(option)) ?? '',
    };
  });
}

/** Undefined for one that is written wrong; the component's state says so. */
function bindOf(text: string) {
  try {
    return parseBind(text);
  } catch {
    return undefined;
  }
}

function tmpfsOf(component: Component): Record<string, string> {
  return Object.fromEntries(
    (component.config.tmpfs ?? []).map((text) => {
      const [path = '', options = ''] = text.split(':');
      return [path, options];
    }),
  );
}

/** What it may and may not, in Docker's words. */
function restrictionsOf({ config, record }: Component) {
  const { limits = {} } = record ?? {};
  return {
    CapAdd: config.capabilities ?? [],
    CapDrop: isPrivileged(config) ? null : ['ALL'],
    Privileged: isPrivileged(config),
    ReadonlyRootfs: isReadOnly(config),
    SecurityOpt: [
      ...((config.noNewPrivileges ?? true) ? ['no-new-privileges'] : []),
      ...(isUnfiltered(config) ? ['seccomp=unconfined'] : []),
    ],
    MaskedPaths: maskedPathsOf(config),
    ReadonlyPaths: readonlyPathsOf(config),
    Memory: limits.memoryBytes ?? 0,
    NanoCpus: limits.nanoCpus ?? 0,
    PidsLimit: limits.pids ?? null,
    OomScoreAdj: config.oomScoreAdj ?? 0,
  };
}

/** One element of `GET /containers/json`. */
export function summaryOf(component: Component) {
  return {
    Id: component.id,
    Names: [`/${component.containerName}`],
    Image: component.image?.ref ?? '',
    ImageID: component.image?.digest ?? '',
    Command: (component.record?.args ?? component.config.command ?? []).join(' '),
    // One that was not needed yet is as old as this boot.
    Created: seconds(component.record?.createdAt) || Math.floor(Date.now() / 1000 - uptime()),
    Ports: [],
    Labels: labelsOf(component),
    State: dockerState(component),
    Status: dockerStatus(component),
    HostConfig: { NetworkMode: networkMode(component) },
    NetworkSettings: { Networks: {} },
    Mounts: mountsOf(component),
  };
}

/** `GET /containers/{id}/json`. Clients rely on every one of the nested objects being there. */
export function inspectionOf(component: Component) {
  const { state, record, config } = component;
  const image = record?.imageConfig;
  const [path = '', ...args] = record?.args ?? [];
  const restart = /^([a-z-]+)(?::(\d+))?$/.exec(config.restart ?? defaultRestart(component.kind));
  return {
    Id: component.id,
    Created: record?.createdAt ?? never,
    Path: path,
    Args: args,
    State: {
      Status: dockerState(component),
      Running: component.running,
      Paused: false,
      Restarting: dockerState(component) === 'restarting',
      OOMKilled: state.oomKilled ?? false,
      Dead: false,
      Pid: state.process?.pid ?? 0,
      ExitCode: state.exitCode ?? 0,
      Error: state.error ?? '',
      StartedAt: state.startedAt ?? never,
      FinishedAt: state.finishedAt ?? never,
      ...healthOf(component),
    },
    Image: component.image?.digest ?? '',
    ResolvConfPath: '',
    HostnamePath: '',
    HostsPath: '',
    LogPath: '',
    Name: `/${component.containerName}`,
    RestartCount: state.restarts,
    Driver: 'overlay2',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: null,
    HostConfig: {
      Binds: config.binds ?? [],
      NetworkMode: networkMode(component),
      PidMode: config.pid === 'host' ? 'host' : '',
      IpcMode: config.ipc ?? 'host',
      UTSMode: config.uts ?? 'host',
      RestartPolicy: { Name: restart?.[1] ?? 'no', MaximumRetryCount: Number(restart?.[2] ?? 0) },
      LogConfig: { Type: 'json-file', Config: {} },
      ...restrictionsOf(component),
      Tmpfs: tmpfsOf(component),
      Runtime: 'crun',
      PortBindings: {},
    },
    GraphDriver: { Name: 'overlay2', Data: {} },
    Mounts: mountsOf(component),
    Config: {
      Hostname: config.hostname ?? '',
      Domainname: '',
      User: image?.User ?? '',
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
      ExposedPorts: image?.ExposedPorts ?? {},
      Tty: false,
      OpenStdin: false,
      StdinOnce: false,
      Env: record?.env ?? [],
      Cmd: record?.args ?? [],
      Image: component.image?.ref ?? '',
      Volumes: image?.Volumes ?? null,
      WorkingDir: config.cwd ?? image?.WorkingDir ?? '',
      Entrypoint: null,
      Labels: labelsOf(component),
      StopSignal: component.stopSignal,
    },
    NetworkSettings: { Ports: {}, Networks: {} },
    /** What Docker has no words for. */
    Gantry: { Kind: component.kind, Grants: grantsOf(config) },
  };
}

function healthOf(component: Component) {
  const { monitor, health } = component;
  if (health === 'none') return {};
  const log = (monitor?.log ?? []).map(({ startedAt, endedAt, exitCode, output }) => ({
    Start: startedAt,
    End: endedAt,
    ExitCode: exitCode,
    Output: output,
  }));
  return { Health: { Status: health, FailingStreak: monitor?.failingStreak ?? 0, Log: log } };
}

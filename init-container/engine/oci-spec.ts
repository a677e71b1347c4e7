/** The OCI runtime configuration (`config.json`), as far as Gantry writes it. Source: OCI Runtime Specification 1.0. */

export interface OciMount {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
}

export interface OciDevice {
  path: string;
  type: string;
  major?: number;
  minor?: number;
  fileMode?: number;
  uid?: number;
  gid?: number;
}

export interface OciUser {
  uid: number;
  gid: number;
  additionalGids?: number[];
}

export interface OciCapabilities {
  bounding: string[];
  effective: string[];
  permitted: string[];
  inheritable: string[];
  ambient: string[];
}

/** `unlimited` is written as 2^64-1, which a JavaScript number cannot hold. */
export interface OciRlimit {
  type: string;
  soft: number | 'unlimited';
  hard: number | 'unlimited';
}

export interface OciProcess {
  terminal: boolean;
  consoleSize?: { width: number; height: number };
  user: OciUser;
  args: string[];
  env: string[];
  cwd: string;
  capabilities: OciCapabilities;
  rlimits?: OciRlimit[];
  noNewPrivileges: boolean;
  oomScoreAdj?: number;
}

export interface OciSyscallRule {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: { index: number; value: number; valueTwo?: number; op: string }[];
}

export interface OciSeccomp {
  defaultAction: string;
  defaultErrnoRet: number;
  architectures: string[];
  syscalls: OciSyscallRule[];
}

export interface OciSpec {
  ociVersion: string;
  process: OciProcess;
  root: { path: string; readonly: boolean };
  hostname?: string;
  mounts: OciMount[];
  annotations?: Record<string, string>;
  linux: {
    namespaces: { type: string; path?: string }[];
    devices?: OciDevice[];
    cgroupsPath: string;
    resources: Record<string, unknown>;
    rootfsPropagation?: string;
    maskedPaths: string[];
    readonlyPaths: string[];
    sysctl?: Record<string, string>;
    seccomp?: OciSeccomp;
  };
}

/** JSON of a configuration or of its process, as crun reads it. */
export function ociJson(value: OciSpec | OciProcess): string {
  return JSON.stringify(value).replace(/("(?:soft|hard)":)"unlimited"/g, '$118446744073709551615');
}

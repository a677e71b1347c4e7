import { isDigest } from '../../shared/oci/digest.ts';
import type { Digest } from '../../shared/oci/types.ts';

export interface RegistryReference {
  /** `host` or `host:port`. */
  host: string;
  /** Path of the repository: `team/web`. */
  name: string;
  /** `latest` when neither tag nor digest was given. */
  tag: string;
  digest?: Digest;
}

const hostPattern = /^(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+|\[[0-9a-f:]+\]|[a-z0-9-]+(?=:\d))(:\d{1,5})?$/i;
const namePattern = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;

/**
 * `host[:port]/name[:tag][@digest]`, or undefined when the text is none. There is no default registry: a first part
 * without a dot, a port, or the name localhost is no host. Source: OCI Distribution Specification 1.1, "Pulling manifests".
 */
export function parseReference(text: string): RegistryReference | undefined {
  const slash = text.indexOf('/');
  if (slash < 1) return undefined;
  const host = text.slice(0, slash);
  if (!hostPattern.test(host)) return undefined;
  let rest = text.slice(slash + 1);
  let digest: Digest | undefined;
  const at = rest.indexOf('@');
  if (at >= 0) {
    const given = rest.slice(at + 1);
    if (!isDigest(given)) return undefined;
    digest = given;
    rest = rest.slice(0, at);
  }
  const colon = rest.lastIndexOf(':');
  const name = colon >= 0 ? rest.slice(0, colon) : rest;
  const tag = colon >= 0 ? rest.slice(colon + 1) : 'latest';
  if (!namePattern.test(name) || !tagPattern.test(tag)) return undefined;
  return { host, name, tag, ...(digest && { digest }) };
}

/** Registries of this machine are spoken to without TLS, as Docker does. */
export function isLocal(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/.test(host);
}

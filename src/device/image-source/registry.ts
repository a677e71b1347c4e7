import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { z } from 'zod';
import { digestOf, isDigest } from '../../shared/oci/digest.ts';
import { type Descriptor, mediaTypes } from '../../shared/oci/types.ts';
import { sanitizeLine } from '../../shared/text/sanitize.ts';
import { ImageError } from '../errors.ts';
import { loadImage } from './load.ts';
import { isLocal, type RegistryReference } from './reference.ts';
import type { BlobStore, ImageSource, ImageSourceOptions } from './types.ts';

const manifestTypes = [
  mediaTypes.manifest,
  mediaTypes.index,
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const headersTimeoutMs = 30_000;
const largestDocument = 4 << 20;
const tokenSchema = z.object({ token: z.string().optional(), access_token: z.string().optional() });

/** An image of a registry. Source: OCI Distribution Specification 1.1; Docker's token authentication. */
export async function openRegistry(reference: RegistryReference, options: ImageSourceOptions): Promise<ImageSource> {
  const { host, name, tag, digest } = reference;
  const client = new RegistryClient(reference, options.signal);
  const ref = `${host}/${name}:${tag}`;
  const root = await client.resolve(digest ?? tag);
  return loadImage(client, root, { ...options, ref });
}

class RegistryClient implements BlobStore {
  readonly #reference: RegistryReference;
  readonly #signal: AbortSignal | undefined;
  readonly #base: string;
  /** The manifest that `resolve` got, so that it is not asked for twice. */
  readonly #manifests = new Map<string, string>();
  #authorization: string | undefined;

  constructor(reference: RegistryReference, signal: AbortSignal | undefined) {
    this.#reference = reference;
    this.#signal = signal;
    this.#base = `${isLocal(reference.host) ? 'http' : 'https'}://${reference.host}/v2/${reference.name}`;
  }

  /** What a tag means now. The digest is computed from what was sent, and compared if one was asked for. */
  async resolve(tagOrDigest: string): Promise<Descriptor> {
    const response = await this.#get(`/manifests/${tagOrDigest}`, manifestTypes.join(', '));
    const text = await readDocument(response);
    const digest = digestOf(text);
    if (isDigest(tagOrDigest) && digest !== tagOrDigest) {
      throw new ImageError(`${this.#name}: the registry sent ${digest} when asked for ${tagOrDigest}`);
    }
    this.#manifests.set(digest, text);
    const mediaType = response.headers.get('content-type')?.split(';')[0]?.trim() ?? '';
    return { mediaType, digest, size: Buffer.byteLength(text) };
  }

  async readText(descriptor: Descriptor): Promise<string> {
    const known = this.#manifests.get(descriptor.digest);
    if (known !== undefined) return known;
    const isManifest = manifestTypes.includes(descriptor.mediaType);
    const path = `/${isManifest ? 'manifests' : 'blobs'}/${descriptor.digest}`;
    return readDocument(await this.#get(path, isManifest ? descriptor.mediaType : '*/*'));
  }

  async openBlob(descriptor: Descriptor): Promise<Readable> {
    const { body } = await this.#get(`/blobs/${descriptor.digest}`, '*/*');
    if (!body) throw new ImageError(`${this.#name}: the registry sent nothing for ${descriptor.digest}`);
    return Readable.fromWeb(body as ReadableStream<Uint8Array>);
  }

  get #name(): string {
    return `${this.#reference.host}/${this.#reference.name}`;
  }

  async #get(path: string, accept: string): Promise<Response> {
    let response = await this.#fetch(`${this.#base}${path}`, accept);
    if (response.status === 401) {
      this.#authorization = await this.#authorize(response.headers.get('www-authenticate') ?? '');
      await response.body?.cancel();
      response = await this.#fetch(`${this.#base}${path}`, accept);
    }
    if (response.ok) return response;
    const detail = sanitizeLine((await readDocument(response).catch(() => '')).trim().slice(0, 300), { color: false });
    const meaning: Record<number, string> = {
      401: 'it wants a login, which is not supported yet: pull the image with another tool and give its OCI layout',
      403: 'it does not allow this: is the repository private?',
      404: 'there is no such image: check the name and the tag',
      429: 'too many requests: try again later',
    };
    const why = meaning[response.status] ?? `HTTP status ${response.status}${detail ? `: ${detail}` : ''}`;
    throw new ImageError(`${this.#name}:${this.#reference.tag} cannot be pulled: ${why}`);
  }

  async #fetch(url: string, accept: string, authorization = this.#authorization): Promise<Response> {
    // The limit is for the answer to begin; a large layer may take as long as it takes.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), headersTimeoutMs);
    const signal = this.#signal ? AbortSignal.any([this.#signal, late.signal]) : late.signal;
    try {
      const headers: Record<string, string> = {
        Accept: accept,
        ...(authorization && { Authorization: authorization }),
      };
      return await fetch(url, { headers, signal });
    } catch (cause) {
      if (this.#signal?.aborted) throw cause;
      const { cause: inner, message } = cause as Error;
      const why = late.signal.aborted
        ? `no answer within ${headersTimeoutMs / 1000} s`
        : inner instanceof Error
          ? inner.message || (inner as NodeJS.ErrnoException).code
          : message;
      throw new ImageError(`the registry ${this.#reference.host} cannot be reached: ${why}`, cause);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The token that a challenge `Bearer realm="…",service="…",scope="…"` sends us to fetch. */
  async #authorize(challenge: string): Promise<string | undefined> {
    if (!/^bearer /i.test(challenge)) return undefined;
    const parameters = new Map(
      [...challenge.matchAll(/([a-z]+)="([^"]*)"/gi)].map(([, key, value]) => [key?.toLowerCase(), value ?? '']),
    );
    const realm = URL.parse(parameters.get('realm') ?? '');
    if (!realm || (realm.protocol !== 'https:' && !isLocal(realm.host))) {
      throw new ImageError(`the registry ${this.#reference.host} sends us to an unsafe place for a token`);
    }
    const service = parameters.get('service');
    if (service) realm.searchParams.set('service', service);
    realm.searchParams.set('scope', parameters.get('scope') ?? `repository:${this.#reference.name}:pull`);
    const response = await this.#fetch(realm.href, 'application/json', '');
    if (!response.ok) return undefined;
    const parsed = tokenSchema.safeParse(JSON.parse(await readDocument(response)));
    const token = parsed.data?.token ?? parsed.data?.access_token;
    return token ? `Bearer ${token}` : undefined;
  }
}

async function readDocument(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > largestDocument) throw new ImageError('the registry sent a document of more than 4 MiB');
  }
  return Buffer.concat(chunks).toString('utf8');
}

import type { IncomingMessage, ServerResponse } from 'node:http';

/** What a handler gets. `params` are the named parts of the pattern, decoded. */
export interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  params: Record<string, string>;
  query: URLSearchParams;
}

/**
 * One route. In `pattern`, `{name}` stands for one path segment and `{name*}` for one or more (image references have
 * slashes): `/containers/{id}/json`. Docker's routes are written without their `/v1.47` prefix. A handler answers with
 * `sendJson`, `sendEmpty` or by streaming; what it throws becomes an answer: `HttpError` with its status, others 500.
 */
export interface Route {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  pattern: string;
  handler: (call: Call) => Promise<void> | void;
}

/** An answer that says why not: `{"message": …}` with this status. */
export class HttpError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'HttpError';
    this.status = status;
  }
}

export interface Match {
  route: Route;
  params: Record<string, string>;
}

/** Finds the route of a path. The first of the given routes that fits wins. */
export class Router {
  readonly #routes: { route: Route; regex: RegExp; names: string[] }[] = [];

  constructor(routes: Route[] = []) {
    this.add(routes);
  }

  add(routes: Route[]): void {
    for (const route of routes) this.#routes.push({ route, ...compile(route.pattern) });
  }

  /** Undefined when nothing fits; `'method'` when only the method does not. */
  match(method: string, path: string): Match | 'method' | undefined {
    let otherMethod = false;
    for (const { route, regex, names } of this.#routes) {
      const found = regex.exec(path);
      if (!found) continue;
      if (route.method !== method) {
        otherMethod = true;
        continue;
      }
      const params: Record<string, string> = {};
      names.forEach((name, index) => {
        params[name] = decode(found[index + 1] ?? '');
      });
      return { route, params };
    }
    return otherMethod ? 'method' : undefined;
  }
}

function compile(pattern: string): { regex: RegExp; names: string[] } {
  const names: string[] = [];
  const source = pattern
    .split(/(\{[a-zA-Z]+\*?\})/)
    .map((part) => {
      const name = /^\{([a-zA-Z]+)(\*?)\}$/.exec(part);
      if (!name) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      names.push(name[1] ?? '');
      return name[2] ? '(.+)' : '([^/]+)';
    })
    .join('');
  return { regex: new RegExp(`^${source}$`), names };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new HttpError(400, `the path is not validly percent-encoded: ${text}`);
  }
}

import { type ExecRequest, ExecSession } from '../engine/exec-session.ts';
import { HttpError } from './router.ts';

/** Ended sessions that clients may still ask about; the docker CLI asks for the exit code after the stream has ended. */
const kept = 64;

/** All processes started through the API. They belong to this process: they end with it. */
export class ExecSessions {
  readonly #sessions = new Map<string, ExecSession>();

  create(request: ExecRequest): ExecSession {
    const session = new ExecSession(request);
    this.#sessions.set(session.id, session);
    const idle = [...this.#sessions.values()].filter(({ state }) => state !== 'running');
    for (const old of idle.slice(0, Math.max(0, idle.length - kept))) this.#sessions.delete(old.id);
    return session;
  }

  /** 404 when there is none, or it ended long ago. */
  get(id: string): ExecSession {
    const session = this.#sessions.get(id);
    if (!session) throw new HttpError(404, `No such exec instance: ${id}`);
    return session;
  }
}

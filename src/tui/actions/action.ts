import type { Context } from '../context.ts';
import type { AppState, ScreenName } from '../store/state.ts';

/**
 * One thing a person can do. The table of these is the only place that knows keys: the dispatcher, the footer, the help
 * screen and the reference in the documentation are made from it.
 */
export interface Action {
  id: string;
  keys: string[];
  /** One or two words for the footer; none there if absent. */
  hint?: string;
  /** One sentence for the help and the documentation. */
  help: string;
  screens: readonly ScreenName[];
  /** `confirm`: asks first, Cancel is the default. `typed`: a name has to be typed. */
  danger?: 'confirm' | 'typed';
  /** Why it cannot be done now; shown instead of doing it. */
  unavailable?(state: AppState): string | undefined;
  run(context: Context, key: string): void | Promise<void>;
}

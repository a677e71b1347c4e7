import { mergeComponents } from '../../device/readings/component-rows.ts';
import type { SamplerListener } from '../../device/readings/sampler.ts';
import { errorText } from '../errors.ts';
import { keepSelection } from '../store/components.ts';
import type { AppState } from '../store/state.ts';
import type { Store } from '../store/store.ts';

/** Puts each reading of the device into the store. */
export function keepReadings(store: Store<AppState>): SamplerListener {
  return {
    onComponents: (reading) =>
      store.set((state) => {
        const components = mergeComponents(state.components, reading);
        const selected = keepSelection(state.components, components, state.selected);
        return { components, selected, loaded: true, loadError: undefined, now: Date.now() };
      }),
    onInfo: (info) => store.set({ info, infoAt: Date.now() }),
    onError: (error) => store.set({ loadError: errorText(error) }),
  };
}

import type { z } from 'zod';
import type { ImageOffer, SwapPlan, swapPlanRequestSchema } from '../../src/shared/api/types.ts';
import { type ComponentConfig, swapStrategies } from '../../src/shared/definition/component-config.ts';
import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import { configOf } from '../engine/image-config.ts';
import { configFields } from '../revisions/changes.ts';
import type { Collector, RoomRequest } from '../store/collector.ts';
import type { ImageStore, StoredImage } from '../store/types.ts';
import { stableMs } from './deadline.ts';
import { dependentsOf } from './dependents.ts';
import { isUp, isWell, observe } from './observe.ts';
import { howItRuns, revisionVolumes } from './parts.ts';
import { describeStep, plan } from './planner.ts';
import type { SwapsOptions } from './swaps.ts';
import { expectSwappable, refusalOf, wantedBySwap } from './wanted.ts';

/** What is asked of the store for a preview. */
export interface PreviewStore extends ImageStore {
  /** An image's documents, checked, and what of it the device lacks. Keeps nothing. */
  examine(image: z.output<typeof swapPlanRequestSchema>['images'][number]): Promise<{
    config: StoredImage['config'];
    missing: ImageOffer['missing'];
  }>;
}

export interface PreviewStorage {
  store: PreviewStore;
  collector: Pick<Collector, 'previewRoom'>;
}

/** What a swap would do now. Changes nothing. Throws a `SwapError` when it cannot be done at all. */
export async function previewSwap(
  parts: SwapsOptions,
  { store, collector }: PreviewStorage,
  request: z.output<typeof swapPlanRequestSchema>,
): Promise<SwapPlan> {
  const { revisions, supervisor } = parts;
  const { base, revision, changes } = wantedBySwap(revisions, request);
  expectSwappable(changes, parts, parts.persistent);
  const images = new Map<string, StoredImage['config']>();
  const send: SwapPlan['send'] = [];
  // What is here already and no revision needs must not go to make room for the rest.
  const arriving: RoomRequest[] = changes.map((change) => ({ digest: change.new.image.digest, missing: [] }));
  for (const image of request.images) {
    if (images.has(image.digest)) continue;
    const { config, missing } = await store.examine(image);
    images.set(image.digest, config);
    arriving.push({ digest: image.digest, missing });
    const bytes = missing.reduce((sum, { size }) => sum + size, 0);
    if (missing.length > 0) send.push({ ref: image.ref, bytes, layers: missing.length, missing });
  }
  const configFor = async (spec: ComponentSpec): Promise<ComponentConfig> => {
    const config = images.get(spec.image.digest);
    return configOf(spec, config ? { config } : await store.get(spec.image.digest));
  };
  const configs = new Map<string, ComponentConfig>();
  for (const [name, spec] of Object.entries(revision.components)) {
    const changed = changes.some((change) => change.name === name);
    configs.set(name, await (changed ? configFor(spec) : configFor(spec).catch(() => spec.config)));
  }
  const statuses = new Map((await supervisor.status()).map((status) => [status.name, status]));
  const components = changes.map((change) => {
    const config = configs.get(change.name) ?? {};
    const copies = revisionVolumes(config, revision).length > 0;
    const known = {
      config,
      ranBefore: true,
      wasWell: true,
      proven: false,
      prepared: false,
      copies,
      applied: undefined,
    };
    return observe(change, statuses.get(change.name), known, parts);
  });
  const names = changes.map(({ name }) => name);
  const dependents = dependentsOf(names, configs).filter((name) => isWell(statuses.get(name)));
  const live = changes.filter(({ old }) => howItRuns(old.kind) === 'live').map(({ name }) => name);
  const window = stableMs(
    names.map((name) => configs.get(name) ?? {}),
    request.stable,
  );
  const observed = { staged: false, stable: false, committed: false, components, watched: [...live, ...dependents] };
  return {
    base: base.number,
    changes: changes.map((change) => ({
      name: change.name,
      from: change.old.image.ref,
      to: change.new.image.ref,
      strategy: configs.get(change.name)?.swap?.strategy ?? swapStrategies[0],
      fields: configFields(change.old.config, change.new.config),
    })),
    steps:
      changes.length === 0
        ? []
        : plan(observed, 'new').map((step) => ({
            action: step.action,
            ...('component' in step ? { component: step.component } : {}),
            text: `${describeStep(step)}${step.action === 'stable' ? ` for ${window / 1000} s` : ''}`,
          })),
    restarts: live.filter((name) => isUp(statuses.get(name))),
    send,
    frees: await collector.previewRoom(arriving),
    refused: refusalOf(changes, revisions),
  };
}

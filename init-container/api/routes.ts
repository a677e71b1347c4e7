import { upgradeRoutes } from '../parts/routes.ts';
import type { Upgrades } from '../parts/upgrade.ts';
import { type SwapRouteParts, swapRoutes } from '../swap/routes.ts';
import { attachRoutes } from './attach.ts';
import { containerRoutes } from './containers.ts';
import type { ApiContext } from './context.ts';
import { type DeviceContext, deviceRoutes } from './device.ts';
import { eventRoutes } from './events.ts';
import { execRoutes } from './exec.ts';
import { gcRoutes } from './gc.ts';
import { type ImageContext, imageRoutes } from './images.ts';
import { logRoutes } from './logs.ts';
import { refusalRoutes } from './refusals.ts';
import type { Route } from './router.ts';
import { statsRoutes } from './stats.ts';
import { type StoreRouteParts, storeRoutes } from './store-routes.ts';
import { systemRoutes } from './system.ts';
import { topRoutes } from './top.ts';

import { volumeRoutes } from './volumes.ts';

export type RouteContext = ApiContext &
  DeviceContext &
  ImageContext &
  SwapRouteParts &
  StoreRouteParts & { upgrades: Upgrades };

/** Everything that the device answers: what it does, then what it refuses with a reason. */
export function apiRoutes(context: RouteContext): Route[] {
  return [...doingRoutes(context), ...refusalRoutes()];
}

/** What the device does. */
export function doingRoutes(context: RouteContext): Route[] {
  return [
    ...systemRoutes(context),
    ...containerRoutes(context),
    ...logRoutes(context),
    ...attachRoutes(context),
    ...statsRoutes(context),
    ...topRoutes(context),
    ...execRoutes(context),
    ...eventRoutes(context),
    ...imageRoutes(context),
    ...volumeRoutes(context),
    ...deviceRoutes(context),
    ...gcRoutes(context),
    ...storeRoutes(context),
    ...swapRoutes(context),
    ...upgradeRoutes(context),
  ];
}

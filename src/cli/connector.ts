import type { ConnectOptions } from '../device/connect.ts';
import type { Device } from '../device/device.ts';

/** From what `-d` says (undefined: nothing) to a connected device. */
export type Connector = (target: string | undefined, options: ConnectOptions) => Promise<Device>;

let connector: Connector | undefined;

/** The program says once how its commands reach a device: `gantry` over any transport, a device's own shell only itself. */
export function connectBy(way: Connector): void {
  connector = way;
}

export const connect: Connector = (target, options) => {
  if (!connector) throw new Error('this program has not said how its commands reach a device');
  return connector(target, options);
};

import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { bundleProgram } from '../../../src/compose/component/bundle.ts';
import { type NativeDevice, startNative } from './native.ts';
import { until } from './until.ts';

/** A device whose supervisor a test calls directly: see `driver.ts`. */
export interface DrivenDevice extends NativeDevice {
  drive(method: string, name: string, more?: object): Promise<void>;
}

/** Starts it from an OS definition; `name` tells it from other devices of the tests. */
export async function startDriven(definition: string, name: string): Promise<DrivenDevice> {
  const program = await bundleProgram(`${import.meta.dirname}/driver.ts`, ['koffi']);
  const device = await startNative(definition, name);
  // Into the root of the init container, which the next one has as well.
  const init = device.pidHere((await device.info()).init.pid);
  writeFileSync(`/proc/${init}/root/usr/lib/gantry/init.mjs`, program);
  const untilDriven = () =>
    until('the driver', 30, () => call(device.path('/run/driver.sock'), { method: 'none' }).catch(toldAsWrong));
  const killInit = async () => {
    await device.killInit();
    await untilDriven();
  };
  await killInit();
  const drive = (method: string, component: string, more: object = {}) =>
    call(device.path('/run/driver.sock'), { method, name: component, ...more });
  return { ...device, killInit, drive };
}

/** The driver knows no method of that name, and says so: it answers. */
function toldAsWrong(error: Error): boolean {
  if (/invalid/i.test(error.message)) return true;
  throw error;
}

function call(socketPath: string, body: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path: '/', method: 'POST', agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(text));
      });
    });
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
  });
}

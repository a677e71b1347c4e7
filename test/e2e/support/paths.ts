import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../../..');
/** Everything that the end-to-end tests make, kept between runs so that images are composed once. */
export const work = join(root, 'build', 'e2e');
/** State and configuration of the tests' own: a person's devices and emulators are not touched. */
export const testEnvironment = {
  XDG_STATE_HOME: join(work, 'state'),
  XDG_CONFIG_HOME: join(work, 'config'),
  SSH_AUTH_SOCK: '',
  NO_COLOR: '1',
  CI: 'false',
};
export const imageDir = (arch: string) => join(work, `demo-${arch}`);
export const ociDir = (arch: string) => join(work, `oci-${arch}`);

import setup from './test/e2e/global-setup.ts';
await setup();

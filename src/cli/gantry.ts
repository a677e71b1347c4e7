import { main } from './main.ts';

// Exits even if something keeps the event loop busy: everything that must be finished has been awaited.
process.exit(await main(process.argv.slice(2)));

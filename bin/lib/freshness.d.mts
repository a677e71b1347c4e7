export function isFresh(root: string, outdir: string): boolean;
export function writeStamp(root: string, outdir: string, inputs: string[], startedAtMs: number): void;

import { readFile } from 'node:fs/promises';
import type { OciProcess } from './oci-spec.ts';

/** The `process` of a container's own configuration, as it was written when the container was made. */
export async function containerProcess(specPath: string): Promise<OciProcess> {
  const text = (await readFile(specPath, 'utf8')).replace(/("(?:soft|hard)":)18446744073709551615/g, '$1"unlimited"');
  return (JSON.parse(text) as { process: OciProcess }).process;
}

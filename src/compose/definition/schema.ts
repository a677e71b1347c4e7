import { z } from 'zod';
import { componentConfigSchema } from '../../shared/definition/component-config.ts';
import { componentName, persistences } from '../../shared/definition/revision.ts';
import { fileSchema } from '../component/recipe.ts';

/** A component that runs as a container: its image, its name, and how it runs. */
const systemContainer = componentConfigSchema.extend({ name: componentName, image: z.string().min(1) });
export type SystemContainerSpec = z.infer<typeof systemContainer>;

/** LinuxKit's volumes, without images in them; how long they live is ours. */
const volume = z.strictObject({ name: componentName, persistence: z.enum(persistences).default('permanent') });

/** The OS definition: LinuxKit's YAML (docs/yaml.md there), with our additions inside the containers. */
export const osDefinitionSchema = z.strictObject({
  kernel: z.strictObject({ image: z.string().min(1).optional(), cmdline: z.string().optional() }).optional(),
  /** Images unpacked into the root, in order, except the init container (see `isInitContainer`), which runs as one. */
  init: z.array(z.string().min(1)).default([]),
  onboot: z.array(systemContainer).default([]),
  services: z.array(systemContainer).default([]),
  onshutdown: z.array(systemContainer).default([]),
  volumes: z.array(volume).default([]),
  files: z.array(fileSchema).default([]),
});
export type OsDefinition = z.infer<typeof osDefinitionSchema>;

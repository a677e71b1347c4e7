import { type ComponentConfig, componentConfigSchema, configLabel } from '../shared/definition/component-config.ts';
import type { ImageConfig } from '../shared/oci/types.ts';

/** What is to become of a component's configuration. */
export interface ConfigChange {
  /** Fields as in an OS definition, laid over the present ones; null removes one. */
  fields?: Record<string, unknown>;
  /** Variables to set, or without a value to remove. */
  env?: { name: string; value?: string }[];
}

/**
 * The configuration after a change. `environment` is what a container of it would have without the change: a definition
 * that names variables replaces all of the image's. Throws with the field at fault.
 */
export function changeConfig(
  present: ComponentConfig,
  { fields = {}, env = [] }: ConfigChange,
  environment: readonly string[],
): ComponentConfig {
  const merged = new Map<string, unknown>([...Object.entries(present), ...Object.entries(fields)]);
  for (const [name, value] of merged) if (value === null || value === undefined) merged.delete(name);
  const result = componentConfigSchema.safeParse(Object.fromEntries(merged));
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new Error(`the configuration is not valid: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
  }
  if (env.length === 0) return result.data;
  const variables = new Map(
    (result.data.env ?? environment).flatMap((entry) => {
      const at = entry.indexOf('=');
      // An image may name a variable without a value, which sets nothing.
      return at > 0 ? [[entry.slice(0, at), entry.slice(at + 1)] as const] : [];
    }),
  );
  for (const { name, value } of env) {
    if (value === undefined) variables.delete(name);
    else variables.set(name, value);
  }
  return { ...result.data, env: [...variables].map(([name, value]) => `${name}=${value}`) };
}

/** The variables that an image gives its containers: those of its own configuration, else its plain ones. */
export function environmentOf(image: ImageConfig): string[] {
  const label = image.config?.Labels?.[configLabel];
  const own = label === undefined ? undefined : componentConfigSchema.safeParse(parsed(label)).data?.env;
  return own ?? image.config?.Env ?? [];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The device says what is wrong with it.
    return undefined;
  }
}

import { apiReference } from './api.ts';
import { commandReference } from './commands.ts';
import { osDefinitionReference, recipeReference } from './fields.ts';
import { keysReference } from './keys.ts';

/** Every generated page: its path in the checkout, and what it has to say now. */
export async function generatedDocs(): Promise<Map<string, string>> {
  return new Map([
    ['docs/reference/commands.md', await commandReference()],
    ['docs/reference/keys.md', keysReference()],
    ['docs/reference/os-definition.md', osDefinitionReference()],
    ['docs/reference/recipe.md', recipeReference()],
    ['docs/reference/api.md', apiReference()],
  ]);
}

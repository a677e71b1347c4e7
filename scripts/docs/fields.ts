import { recipeSchema } from '../../src/compose/component/recipe.ts';
import { osDefinitionSchema } from '../../src/compose/definition/schema.ts';
import { containerWords, fileWords, osDefinitionWords, recipeWords } from './field-words.ts';
import { generatedNote, page, table } from './markdown.ts';
import { fieldRows, schemaAt } from './schema-rows.ts';

const head = ['field', 'value', 'what it is'];

/** All fields of an OS definition. */
export function osDefinitionReference(): string {
  const lists = ['onboot', 'services', 'onshutdown', 'files'];
  return page(
    '# OS definition',
    generatedNote,
    'YAML. An unknown field is an error. How to write one: [../how-to/write-an-os-definition.md](../how-to/write-an-os-definition.md).',
    '## The whole',
    table(head, fieldRows(schemaAt(osDefinitionSchema), osDefinitionWords, lists)),
    '## System containers',
    'Each element of `onboot`, `services` and `onshutdown`. All but `name` and `image` may also stand in the image, as ' +
      '`config` of its [recipe](recipe.md); what the OS definition says goes before what the image says.',
    table(head, fieldRows(schemaAt(osDefinitionSchema, 'services', '[]'), containerWords)),
    'A duration is a number with `us`, `ms`, `s`, `m` or `h`, or several: `1m30s`.',
    '## Files',
    'Each element of `files`, here and in a recipe. One of `contents`, `source`, `symlink` and `directory` says what it is.',
    table(head, fieldRows(schemaAt(osDefinitionSchema, 'files', '[]'), fileWords)),
  );
}

/** All fields of a recipe. */
export function recipeReference(): string {
  return page(
    '# Recipe',
    generatedNote,
    'The file `recipe.yml` in a folder of its own. An unknown field is an error. How to write one: ' +
      '[../how-to/write-a-component.md](../how-to/write-a-component.md).',
    table(head, fieldRows(schemaAt(recipeSchema), recipeWords, ['files', 'config'])),
  );
}

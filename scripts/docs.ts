/** `npm run docs`: writes docs/reference.md from the commands as the program has them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { makeProgram } from '../src/cli/main.ts';
import { checkoutRoot } from './checkout.ts';

/** The reference of all commands. Without defaults: some are those of the machine that writes it. */
function reference(program: Command): string {
  const help = program.createHelp();
  const sections = program.commands.map((command) => section(command, help));
  const intro = `# Commands\n\nWritten by \`npm run docs\` from the program itself: do not edit.\n\n${program.description()}`;
  return `${[intro, optionList(program, help), ...sections].filter((part) => part !== '').join('\n\n')}\n`;
}

function section(command: Command, help: ReturnType<Command['createHelp']>, parents = 'gantry'): string {
  const name = `${parents} ${command.name()}`;
  const own = [`## ${name}`, `\`\`\`\n${parents} ${command.name()} ${command.usage()}\n\`\`\``, command.description()];
  const words = command.registeredArguments
    .filter((argument) => argument.description !== '')
    .map((argument) => `- \`${argument.name()}\`: ${argument.description}`);
  const below = command.commands.map((inner) => section(inner, help, name));
  return [...own, words.join('\n'), optionList(command, help), ...below].filter((part) => part !== '').join('\n\n');
}

function optionList(command: Command, help: ReturnType<Command['createHelp']>): string {
  return help
    .visibleOptions(command)
    .filter((option) => option.long !== '--help')
    .map((option) => `- \`${option.flags}\`: ${option.description}`)
    .join('\n');
}

const path = join(checkoutRoot(), 'docs/reference.md');
writeFileSync(path, reference(await makeProgram()));
console.error(`Wrote ${path}.`);

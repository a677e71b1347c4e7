import type { Command } from 'commander';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { makeProgram } from '../../src/cli/main.ts';
import { generatedNote, page, table } from './markdown.ts';

type Help = ReturnType<Command['createHelp']>;

const exitWords: Record<keyof typeof exitCodes, string> = {
  ok: 'Done.',
  failed: 'The device, or this machine, refused or could not do it. The message says why.',
  usage: 'Wrong usage: an unknown command, option or device name. Nothing was tried.',
  unreachable: 'The device cannot be reached, or the connection to it broke and stayed broken.',
  rolledBack: 'A swap or a rollback did not become healthy. The device runs what it ran before.',
  interrupted: 'Ended by Ctrl-C.',
};

const deviceForms: [string, string][] = [
  ['`NAME`', 'a device added with `gantry device add`'],
  ['`ssh://[USER@]HOST[:PORT]`', 'over SSH; HOST may be an alias of `~/.ssh/config`'],
  [
    '`serial:/dev/TTY[?baud=N&fast=N]`',
    'over a serial line, by default at 115200 baud; `fast`: up to that speed while connected',
  ],
  ['`unix:/PATH`', 'a Docker or Gantry socket on this machine'],
  ['`qemu:NAME[?via=serial\\|ssh]`', 'an emulator that `gantry run` or `gantry demo` started'],
];

/** The reference of all commands. Without defaults: some are those of the machine that writes it. */
export async function commandReference(): Promise<string> {
  const program = await makeProgram();
  const help = program.createHelp();
  return page(
    '# Commands',
    generatedNote,
    program.description(),
    'In a checkout the program is `bin/gantry.mjs`.',
    optionList(program, help),
    '## DEVICE',
    ['| form | device |', '|---|---|', ...deviceForms.map(([form, words]) => `| ${form} | ${words} |`)].join('\n'),
    'Without `-d`: the variable `GANTRY_DEVICE`, else the only device that is known or runs here.',
    '## Exit codes',
    table(['code', 'meaning'], exitRows()),
    '`gantry exec` and `gantry sh` end with the exit code of the process that they ran.',
    ...program.commands.map((command) => section(command, help)),
  );
}

function exitRows(): string[][] {
  return (Object.keys(exitWords) as (keyof typeof exitCodes)[]).map((key) => [String(exitCodes[key]), exitWords[key]]);
}

function section(command: Command, help: Help, parents = 'gantry'): string {
  const name = `${parents} ${command.name()}`;
  const words = command.registeredArguments
    .filter((argument) => argument.description !== '')
    .map((argument) => `- \`${argument.name()}\`: ${argument.description}`);
  return page(
    `## ${name}`,
    `\`\`\`\n${name} ${command.usage()}\n\`\`\``,
    command.description(),
    words.join('\n'),
    optionList(command, help),
    ...command.commands.map((inner) => section(inner, help, name)),
  ).trimEnd();
}

function optionList(command: Command, help: Help): string {
  return help
    .visibleOptions(command)
    .filter((option) => option.long !== '--help')
    .map((option) => `- \`${option.flags}\`: ${option.description}`)
    .join('\n');
}

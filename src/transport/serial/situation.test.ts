import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SituationWatch } from './situation.ts';

function seen(text: string | Buffer, quietMs = 0) {
  const watch = new SituationWatch(115_200);
  if (text.length > 0) watch.push(Buffer.from(text), 1000);
  return watch.seen(1000 + quietMs);
}

const uBoot = 'U-Boot 2025.01 (Jan 06 2025)\r\n\r\nDRAM:  128 MiB\r\nNet:   eth0: virtio-net#32\r\n';
const panic =
  '[    2.1] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) ]---\r\n';

test.each([
  ['', 'silent', 'nothing comes from the line: is the device powered'],
  [`${uBoot}Hit any key to stop autoboot:  2 \b\b\b 1 `, 'boot-loader-countdown', 'counts down'],
  [`${uBoot}=> `, 'boot-loader', 'at the prompt of its boot loader (=>), where "boot" goes on'],
  [`${uBoot}\r\nbarebox@virt:/ `, 'booting', 'the device is booting'],
  ['barebox 2024\r\nbarebox:/> ', 'boot-loader', 'barebox:/>'],
  ['\r\ngrub> ', 'boot-loader', 'grub>'],
  ['[    0.000000] Linux version 6.12.0\r\n[    1.234567] usb 1-1: new\r\n', 'booting', 'usb 1-1: new'],
  [
    `[    2.0] x\r\n[    2.123456] Kernel panic - not syncing: Attempted to kill init!\r\n${panic}`,
    'panic',
    'Attempted to kill init!',
  ],
  [
    `[    2.123456] Kernel panic - not syncing: x\r\n[   12.0] Rebooting in 10 seconds..\r\n${uBoot}=> `,
    'boot-loader',
    '=>',
  ],
  [
    '[    2.1] Kernel panic - not syncing: x\r\n[    2.2] Rebooting in 10 seconds..\r\n',
    'panic',
    'panicked: x; it restarts by itself',
  ],
  ['Debian GNU/Linux 13 box ttyS0\r\n\r\nbox login: ', 'login', 'a login prompt of another system (box login:)'],
  ['box login: root\r\nPassword: ', 'login', 'login prompt'],
  ['Last login: Mon\r\nroot@box:~# ', 'shell', 'a shell without Gantry (root@box:~#)'],
  ['\x1b[0mroot@box:~\x1b[1m$ \x1b[0m', 'shell', 'a shell'],
  ['\r\n[gantry] demo: press Enter for a shell\r\n', 'gantry', 'runs Gantry'],
  ['\x1b_gantry;1;abc\x1b\\\r\n[gantry] demo: press Enter for a shell\r\n', 'gantry', 'will answer'],
  ['[    6.719743] EXT4-fs: mounted\r\n\x1b_gantry;2;abc\x1b\\', 'gantry', 'will answer'],
  ['\x1b_gantry;2;abc\x1b\\\r\n[   21.174258] hrtimer: interrupt took 1 ns\r\n', 'gantry', 'will answer'],
  ['\x1b_gantry;2;abc\x1b\\[    0.000000] Linux version 6\r\n[    1.000000] x\r\n', 'booting', 'booting'],
  ['The system is going down NOW!\r\n', 'going-down', 'is going down'],
  ['[  100.000000] reboot: Restarting system\r\n', 'going-down', 'is going down'],
  ['temperature 21.5\r\n', 'talking', 'prints, but does not answer: temperature 21.5'],
])('%j is %s', (text, situation, words) => {
  const result = seen(text);
  expect(result.situation).toBe(situation);
  expect(result.words).toContain(words);
});

test('bytes that are no text mean a wrong speed', () => {
  const noise = Buffer.from(Array.from({ length: 64 }, (_, at) => (at % 2 ? 0xff : 0x80)));
  expect(seen(noise)).toMatchObject({ situation: 'noise' });
  expect(seen(noise).words).toContain('115200');
});

test('a boot that has stopped printing is said to be silent', () => {
  const text = '[    1.234567] Run /init as init process\r\n';
  expect(seen(text, 20_000).words).toBe('the boot has been silent since: [    1.234567] Run /init as init process');
});

test('words are one safe line, whatever came', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 30 }), (chunks) => {
      const watch = new SituationWatch(9600);
      for (const chunk of chunks) watch.push(Buffer.from(chunk), 0);
      const { words } = watch.seen(1);
      expect(words).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
      expect(words.length).toBeLessThan(300);
    }),
  );
});

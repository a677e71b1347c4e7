import { BeginningFinder } from '../../shared/link/handshake.ts';
import { sanitizeText } from '../../shared/text/sanitize.ts';

/** What a device on a serial line seems to be doing, judged by what it prints. */
export type Situation =
  | 'silent'
  | 'noise'
  | 'panic'
  | 'boot-loader-countdown'
  | 'boot-loader'
  | 'booting'
  | 'login'
  | 'shell'
  | 'gantry'
  | 'going-down'
  | 'talking';

export interface Seen {
  situation: Situation;
  /** For people: what it is, and what to do when something is to be done. */
  words: string;
}

const kept = 4096;
/** Text that came so long ago says little about what the device does now. */
const stillMs = 15_000;

const patterns = {
  panic: /Kernel panic - not syncing: ?([^\r\n]*)/,
  panicOver: /U-Boot|Linux version|Booting Linux/,
  restarts: /Rebooting in (\d+) seconds/,
  countdown: /hit any key to stop autoboot|press (?:any key|\S+) to (?:stop|abort|interrupt)[^\n]*$/i,
  bootLoaderName: /(U-Boot|barebox|GNU GRUB|RedBoot|CFE)/,
  bootLoaderPrompt: /(?:^|[\r\n])(?:=>|U-Boot>|barebox[^\r\n]*>|grub>|\S{0,20}boot[^\r\n>]{0,10}>) ?$/i,
  login: /(?:^|[\r\n])([^\r\n]*) ?(?:login|Password): ?$/,
  shell: /(?:^|[\r\n])[^\r\n]{0,120}[#$] ?$/,
  kernelLine: /\[ *\d+\.\d{6}\][^\r\n]*[\r\n]*$/,
  gantry: /press Enter for a shell\s*$|\[gantry\] [^\r\n]*\s*$/,
  goingDown: /The system is going down NOW|reboot: (?:Restarting system|Power down|System halted)/,
} as const;

/** Keeps the last text of a line and says what it looks like. */
export class SituationWatch {
  readonly #baud: number | undefined;
  #text = '';
  #bytes = 0;
  #strange = 0;
  #textAt: number | undefined;
  readonly #beginnings = new BeginningFinder();
  /** An agent has said since the last boot that it listens: a kernel that prints is no boot any more. */
  #isAnnounced = false;

  /** `baud` of the port, for the advice; undefined where it has none. */
  constructor(baud?: number) {
    this.#baud = baud;
  }

  /** `now`: milliseconds of any steady clock. */
  push(chunk: Buffer, now: number): void {
    // A line at the wrong speed brings bytes that no text has.
    for (const byte of chunk) if (byte === 0xff || byte === 0x00 || (byte >= 0x80 && byte < 0xc2)) this.#strange += 1;
    this.#bytes += chunk.length;
    if (this.#bytes > kept) {
      this.#bytes /= 2;
      this.#strange /= 2;
    }
    this.#text = (this.#text + chunk.toString('utf8')).slice(-kept);
    const sign = this.#beginnings.push(chunk);
    if (sign !== undefined) this.#isAnnounced = sign === 'announced';
    this.#textAt = now;
  }

  /** The last three lines, safe to show; empty when nothing came. */
  get lastLines(): string[] {
    const text = sanitizeText(this.#text.slice(-1024), { color: false }).trim();
    return text === '' ? [] : text.split('\n').slice(-3);
  }

  seen(now: number): Seen {
    const situation = this.#judge();
    const isStill = this.#textAt !== undefined && now - this.#textAt > stillMs;
    return { situation, words: this.#words(situation, isStill) };
  }

  #judge(): Situation {
    if (this.#textAt === undefined) return 'silent';
    if (this.#bytes >= 16 && this.#strange > this.#bytes / 4) return 'noise';
    // What the terminal is told to do with the text is not part of it; of the announcement of a link it sees nothing.
    const text = this.#text
      .replace(/\x1b_gantry;[^\x1b]*\x1b\\/g, '[gantry] listens\n')
      .replace(/\x1b\[[0-9;?]*[A-Za-z]|\x1b_[^\x1b]*\x1b\\/g, '');
    const panic = text.search(patterns.panic);
    if (panic >= 0 && !patterns.panicOver.test(text.slice(panic))) return 'panic';
    const end = text.slice(-400);
    if (patterns.countdown.test(end)) return 'boot-loader-countdown';
    if (patterns.bootLoaderPrompt.test(end)) return 'boot-loader';
    if (patterns.gantry.test(end)) return 'gantry';
    if (patterns.login.test(end)) return 'login';
    if (patterns.kernelLine.test(end)) {
      if (patterns.goingDown.test(end)) return 'going-down';
      return this.#isAnnounced ? 'gantry' : 'booting';
    }
    if (patterns.goingDown.test(end)) return 'going-down';
    if (patterns.shell.test(end)) return 'shell';
    return patterns.bootLoaderName.test(end) ? 'booting' : 'talking';
  }

  #words(situation: Situation, isStill: boolean): string {
    const last = this.lastLines.at(-1) ?? '';
    switch (situation) {
      case 'silent':
        return 'nothing comes from the line: is the device powered, the cable right (TX to RX)?';
      case 'noise':
        return `what comes from the line is no text: is ${this.#baud ?? 'this'} the device's baud rate?`;
      case 'panic':
        return `the kernel has panicked: ${clean(patterns.panic.exec(this.#text)?.[1] ?? '')}${
          patterns.restarts.test(this.#text.slice(-400)) ? '; it restarts by itself' : ''
        }`;
      case 'boot-loader-countdown':
        return 'a boot loader counts down: any key stops it, else it boots';
      case 'boot-loader':
        return `the device is at the prompt of its boot loader (${clean(last)}), where "boot" goes on`;
      case 'booting':
        return isStill ? `the boot has been silent since: ${clean(last)}` : `the device is booting: ${clean(last)}`;
      case 'login':
        return `the device is at a login prompt of another system (${clean(last)}): it runs no Gantry on this line`;
      case 'shell':
        return `the device is at a shell without Gantry (${clean(last)})`;
      case 'gantry':
        return 'the device runs Gantry and will answer';
      case 'going-down':
        return 'the device is going down';
      case 'talking':
        return `the device prints, but does not answer: ${clean(last)}`;
    }
  }
}

function clean(text: string): string {
  const line = sanitizeText(text, { color: false }).trim();
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}

/**
 * Undoes whatever a program may have left switched on: colours, line-drawing characters, keypad and cursor-key modes,
 * mouse and focus reports, bracketed paste, scroll margins, the kitty keyboard, the alternate screen, a held frame.
 * Leaves the cursor where it is: `?1049l` would move it, so it is `?1047l`.
 */
export const resetModes = [
  '\x1b[0m\x1b(B\x0f',
  '\x1b[?1l\x1b>\x1b[?7h\x1b[4l',
  '\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l',
  '\x1b[<u\x1b7\x1b[r\x1b8',
  '\x1b[?1047l\x1b[?2026l\x1b[?25h',
].join('');

/** The screen of the UI, so that what was on the terminal before comes back as it was. */
export const enterScreen = '\x1b[?1049h\x1b[2J\x1b[H\x1b[?25l';
export const leaveScreen = '\x1b[?2026l\x1b[?2004l\x1b[0m\x1b[?1049l\x1b[?25h';

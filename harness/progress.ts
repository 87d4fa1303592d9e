/** Where something long is, for whoever waits before a terminal: one line that stays the last one. */

const terminal = process.stdout;
let shown = '';

/** Shows the line below all others, in place of the one before; '' takes it away. Nothing where no terminal is. */
export function progress(line: string): void {
  if (!terminal.isTTY || line === shown) return;
  shown = line;
  terminal.write(`\r\u001b[K${line.slice(0, terminal.columns - 1)}`);
}

/** Prints lines above it. */
export function say(text: string): void {
  const line = shown;
  progress('');
  console.log(text);
  progress(line);
}

/** As a clock shows it: 75,000 ms are 1:15. */
export function clock(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

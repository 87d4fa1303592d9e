/** Where something long is, for whoever waits before a terminal: one line that stays the last one. */

const terminal = process.stdout;
let shown = '';

/** Shows, each second, the time since now and what there is to say, in one line below all others; until it is ended. */
export function progress(what: () => string): { end(): void } {
  const begin = performance.now();
  const draw = () => show(`${clock(performance.now() - begin)}  ${what()}`);
  draw();
  const ticking = setInterval(draw, 1000);
  return {
    end: () => {
      clearInterval(ticking);
      show('');
    },
  };
}

/** Prints lines above it. */
export function say(text: string): void {
  const line = shown;
  show('');
  console.log(text);
  show(line);
}

/** As a clock shows it: 75,000 ms are 1:15. */
export function clock(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** In place of the line before. Nothing where no terminal is. */
function show(line: string): void {
  if (!terminal.isTTY || line === shown) return;
  shown = line;
  terminal.write(`\r\u001b[K${line.slice(0, terminal.columns - 1)}`);
}

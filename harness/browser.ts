/** A real browser: Debian's chromium, or the one that CHROMIUM names. */
import { type Browser, chromium, type Page } from 'playwright-core';

/** @throws Error of one line where there is no browser */
export async function launch(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  // In a container it is root, and then its sandbox does not work.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return await chromium.launch({ executablePath, args }).catch((error: Error) => {
    const [reason] = error.message.split('\n');
    throw new Error(
      `No browser at ${executablePath} (${reason}): install chromium, or set CHROMIUM to its path`,
    );
  });
}

/** How many frames a second the page draws, over so many ms. */
export function framesIn(page: Page, ms: number): Promise<number> {
  return page.evaluate(
    (ms) =>
      new Promise<number>((resolve) => {
        let frames = 0;
        const until = performance.now() + ms;
        const frame = () => {
          if (performance.now() >= until) return resolve((frames * 1000) / ms);
          frames++;
          requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
      }),
    ms,
  );
}

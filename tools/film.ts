/** A page of a browser as a moving picture, for where no video is shown. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';

export interface Frame {
  /** In ms since 1970. */
  at: number;
  png: Buffer;
}

/** Takes pictures of the upper part of the page, at most one in each `everyMs`, until it is told to stop. */
export function film(
  page: Page,
  height: number,
  everyMs: number,
): { frames: Frame[]; stop(): Promise<void> } {
  const frames: Frame[] = [];
  const width = page.viewportSize()?.width ?? 0;
  let isOver = false;
  const rolling = (async () => {
    while (!isOver) {
      const at = Date.now();
      const png = await page.screenshot({ clip: { x: 0, y: 0, width, height } });
      frames.push({ at, png });
      await page.waitForTimeout(Math.max(0, at + everyMs - Date.now()));
    }
  })();
  return {
    frames,
    stop: () => {
      isOver = true;
      return rolling;
    },
  };
}

/** The frames as a GIF that goes on and on; a frame holds only what differs from the one before. */
export async function toGif(browser: Browser, frames: readonly Frame[]): Promise<Buffer> {
  const page = await browser.newPage();
  const library = readFileSync(join(require.resolve('gifenc'), '..', 'gifenc.esm.js'), 'base64');
  await page.addScriptTag({
    type: 'module',
    content: `import * as gifenc from 'data:text/javascript;base64,${library}'; window.gifenc = gifenc;`,
  });
  await page.waitForFunction('window.gifenc');
  const shown = frames.map(({ at, png }, index) => ({
    png: png.toString('base64'),
    ms: (frames[index + 1]?.at ?? at + 2000) - at,
  }));
  const gif = await page.evaluate(encode, shown);
  await page.close();
  return Buffer.from(gif, 'base64');
}

/** Runs in the browser, which can decode PNG. Gives base64. */
async function encode(frames: { png: string; ms: number }[]): Promise<string> {
  // biome-ignore lint/suspicious/noExplicitAny: it comes without types.
  const { GIFEncoder, quantize, applyPalette } = (window as any).gifenc;
  const pixelsOf = async (png: string) => {
    const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
    if (!context) throw new Error('The browser has no canvas');
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, image.width, image.height);
  };
  // One palette for all, of the first, the middle and the last; its last place is for what stays as it was.
  const samples = await Promise.all(
    [0, 0.5, 1].map((part) => pixelsOf(frames[Math.floor(part * (frames.length - 1))]?.png ?? '')),
  );
  const all = new Uint8ClampedArray(samples.reduce((sum, { data }) => sum + data.length, 0));
  samples.reduce((at, { data }) => {
    all.set(data, at);
    return at + data.length;
  }, 0);
  const palette: number[][] = quantize(all, 255, { format: 'rgb565' });
  const same = palette.length;
  palette.push([0, 0, 0]);
  const gif = GIFEncoder();
  let before: Uint8Array | undefined;
  for (const { png, ms } of frames) {
    const { data, width, height } = await pixelsOf(png);
    const indices: Uint8Array = applyPalette(data, palette.slice(0, same), 'rgb565');
    const changed = before ? indices.map((index, at) => (index === before?.[at] ? same : index)) : indices;
    gif.writeFrame(changed, width, height, {
      ...(before ? {} : { palette }),
      delay: ms,
      transparent: before !== undefined,
      transparentIndex: same,
      dispose: 1,
    });
    before = indices;
  }
  gif.finish();
  const output: Uint8Array = gif.bytes();
  let text = '';
  for (let at = 0; at < output.length; at += 32_768)
    text += String.fromCharCode(...output.subarray(at, at + 32_768));
  return btoa(text);
}

/** A real browser for a test file. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { launch } from '../../harness/browser';

export interface TestBrowser {
  /** A page that fails the test if it logs an error, throws, or asks anything of another host. */
  open(address: string, options?: BrowserContextOptions): Promise<Page>;
  /** What the pages were not to do: to be checked at the end of each test. */
  assertQuiet(): void;
}

export function useBrowser(): TestBrowser {
  let browser: Browser | undefined;
  const faults: string[] = [];
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());
  return {
    open: async (address, options) => {
      const page = await (browser as Browser).newPage(options);
      page.on('console', (message) => {
        // A server that is away is an error to the browser itself; what the page makes of it is tested.
        if (message.type() === 'error' && !message.text().includes('net::ERR_')) faults.push(message.text());
      });
      page.on('pageerror', ({ message }) => faults.push(message));
      page.on('dialog', (dialog) => {
        faults.push(`a dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      const { host } = new URL(address);
      page.on('request', (request) => {
        if (new URL(request.url()).host !== host) faults.push(`a request to ${request.url()}`);
      });
      page.setDefaultTimeout(300_000);
      await page.goto(address);
      return page;
    },
    assertQuiet: () => assert.deepEqual(faults.splice(0), []),
  };
}

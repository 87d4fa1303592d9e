/**
 * Makes the README's pictures of the live view, docs/view.gif and docs/view.png, from the real page and the demo without
 * Docker: the first twelve seconds of the three consumers, and later a group of two members besides. Needs chromium;
 * run it with nothing else of the demo running.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { launch } from '../harness/browser';
import { killServices, type ServiceName, startService, until } from '../harness/service';
import { openView } from '../harness/view';
import { fetchKafka, startBroker } from '../local/broker';
import { film, toGif } from './film';

const DOCS = join(__dirname, '..', 'docs');
const CONSUMERS = ['consumer_from_oldest', 'consumer_from_newest', 'consumer_batch_message'] as const;

/** Of the moving picture: its size in pixels, how long it is, what it shows before the first consumer, and its pace. */
const FILM = { width: 920, height: 545, ms: 12_000, leadMs: 1200, everyMs: 200 };
/** So many messages are a history that is worth a replay. */
const HISTORY = 14;
/** For a handler of the oldest, in ms: without, its replay is over before it could be seen. */
const REPLAY_MS = '150';

async function main(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));
  await fetchKafka();
  const broker = await startBroker({ dataDir });
  try {
    const browser = await launch();
    await makeFilm(browser, broker.brokers);
    await killServices();
    await makePicture(browser, broker.brokers);
    await browser.close();
  } finally {
    await killServices();
    await broker.stop();
    rmSync(dataDir, { recursive: true });
  }
}

/** One partition: the oldest replays, the newest begins at the end, batches jump. */
async function makeFilm(browser: Browser, brokers: string): Promise<void> {
  const settings = { KAFKA_BROKERS: brokers, KAFKA_TOPIC: 'test-topic' };
  const view = await openView(settings);
  const { width, height, ms, leadMs, everyMs } = FILM;
  const page = await browser.newPage({ viewport: { width, height } });
  await page.goto(`http://localhost:${view.port}/`);
  startService('kafka-producer', settings);
  await until('a history', async () => ((await view.state()).picture.partitions[0]?.end ?? 0) >= HISTORY - 4);
  const camera = film(page, height, everyMs);
  for (const name of CONSUMERS)
    startService(name, { ...settings, HANDLER_DELAY_MS: name === 'consumer_from_oldest' ? REPLAY_MS : '0' });
  await page.locator('.flag').first().waitFor();
  const begin = Date.now() - leadMs;
  await page.waitForTimeout(begin + ms - Date.now());
  await camera.stop();
  await page.close();
  const frames = camera.frames.filter(({ at }) => at >= begin);
  const gif = await toGif(browser, frames);
  writeFileSync(join(DOCS, 'view.gif'), gif);
  console.log(`Written: docs/view.gif, ${frames.length} frames, ${Math.round(gif.length / 1000)} kB`);
}

/** Two partitions, four groups, some lag, and a partition that moves. */
async function makePicture(browser: Browser, brokers: string): Promise<void> {
  const settings = { KAFKA_BROKERS: brokers, KAFKA_TOPIC: 'orders' };
  const start = (name: ServiceName, more = {}) => startService(name, { ...settings, ...more });
  start('kafka-producer', { TOPIC_PARTITIONS: '2', SEND_INTERVAL_MS: '500' });
  const view = await openView(settings);
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1.5 });
  await page.goto(`http://localhost:${view.port}/`);
  for (const name of CONSUMERS)
    start(name, { HANDLER_DELAY_MS: name === 'consumer_from_oldest' ? '700' : '0' });
  await until('three groups', async () => (await page.locator('.group .chip').count()) === 6);
  start('consumer_from_newest', { GROUP_ID: 'pair' });
  await until('a fourth', async () => (await page.locator('.group .chip').count()) === 8);
  await until('a history', async () => ((await view.state()).picture.partitions[0]?.end ?? 0) > 40);
  start('consumer_from_newest', { GROUP_ID: 'pair' });
  await page.locator('.chip.is-moved').waitFor();
  await until('lag', async () => ((await view.state()).picture.groups.pair?.lag ?? 0) > 0);
  await page.screenshot({ path: join(DOCS, 'view.png'), animations: 'disabled' });
  await page.close();
  console.log('Written: docs/view.png');
}

main().catch((error) => {
  console.error((error as Error).message);
  process.exitCode = 1;
});

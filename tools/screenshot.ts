/**
 * Makes the README's picture of the live view, docs/view.png, from the real page: the demo without Docker, with a
 * group of two members besides, a while after its start. Needs chromium; run it with nothing else of the demo running.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchKafka, startBroker } from '../local/broker';
import { launch } from '../test/support/browser';
import { killServices, type ServiceName, startService, until } from '../test/support/service';
import { openView } from '../test/support/view';

const PICTURE = join(__dirname, '..', 'docs', 'view.png');
const TOPIC = 'test-topic';

async function main(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));
  await fetchKafka();
  const broker = await startBroker({ dataDir });
  try {
    const settings = { KAFKA_BROKERS: broker.brokers, KAFKA_TOPIC: TOPIC };
    const start = (name: ServiceName, more = {}) => startService(name, { ...settings, ...more });
    start('kafka-producer', { TOPIC_PARTITIONS: '2', SEND_INTERVAL_MS: '500' });
    const view = await openView(settings);
    const browser = await launch();
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1.5 });
    await page.goto(`http://localhost:${view.port}/`);
    for (const name of ['consumer_from_oldest', 'consumer_from_newest', 'consumer_batch_message'] as const)
      start(name, { HANDLER_DELAY_MS: name === 'consumer_from_oldest' ? '700' : '0' });
    await until('three groups', async () => (await page.locator('.group .chip').count()) === 6);
    start('consumer_from_newest', { GROUP_ID: 'pair' });
    await until('a fourth', async () => (await page.locator('.group .chip').count()) === 8);
    // Some lag, and a line of it.
    await until('a history', async () => ((await view.state()).picture.partitions[0]?.end ?? 0) > 40);
    start('consumer_from_newest', { GROUP_ID: 'pair' });
    await page.locator('.chip.is-moved').waitFor();
    await until('lag', async () => ((await view.state()).picture.groups.pair?.lag ?? 0) > 0);
    await page.screenshot({ path: PICTURE, animations: 'disabled' });
    await browser.close();
    console.log(`Written: ${PICTURE}`);
  } finally {
    await killServices();
    await broker.stop();
    rmSync(dataDir, { recursive: true });
  }
}

main().catch((error) => {
  console.error((error as Error).message);
  process.exitCode = 1;
});

/**
 * Makes the README's picture of the live view, docs/view.png: the page beside a first run of the demo, without Docker.
 * Needs chromium; run it with nothing else of the demo running.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from '../harness/browser';
import { received, sent } from '../harness/log';
import { killServices, startService, until } from '../harness/service';
import { openView } from '../harness/view';
import { fetchKafka, startBroker } from '../local/broker';

const PICTURE = join(__dirname, '..', 'docs', 'view.png');

/** As Compose starts it: the consumers once five messages are there. */
const HISTORY = 5;
/** So many messages later each of the three has shown how it is. */
const LATER = 9;

async function main(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));
  await fetchKafka();
  const broker = await startBroker({ dataDir });
  const browser = await launch();
  try {
    const settings = { KAFKA_BROKERS: broker.brokers, KAFKA_TOPIC: 'test-topic' };
    const view = await openView(settings);
    const page = await browser.newPage({ viewport: { width: 1280, height: 600 }, deviceScaleFactor: 1.5 });
    await page.goto(`http://localhost:${view.port}/`);
    const producer = startService('kafka-producer', settings);
    await producer.shows('a history', (lines) => sent(lines).length >= HISTORY);
    startService('consumer_from_oldest', settings);
    const newest = startService('consumer_from_newest', settings);
    startService('consumer_batch_message', settings);
    await newest.shows('what is new', (lines) => received(lines).length >= LATER);
    await until('a batch in the making', async () => {
      const groups = Object.values((await view.state()).picture.groups);
      return groups.some(({ name, lag }) => name === 'consumer_batch_message' && lag >= 2);
    });
    await page.screenshot({ path: PICTURE, animations: 'disabled' });
    console.log('Written: docs/view.png');
  } finally {
    await browser.close();
    await killServices();
    await broker.stop();
    rmSync(dataDir, { recursive: true });
  }
}

main().catch((error) => {
  console.error((error as Error).message);
  process.exitCode = 1;
});

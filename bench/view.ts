/** Whether the live view's memory stays as it is, and its page smooth, over ten minutes of much to show. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { launch } from '../test/support/browser';
import { openView } from '../test/support/view';
import { usage } from './cost';
import { compiled } from './install';
import { createTopic, figure, start, stop } from './lab';
import type { Lab, View } from './types';

const SAMPLES = 20;
const GROUPS = 20;

/** 1,000 messages a second on 12 partitions, followed by 20 groups; once, for its length. */
export async function view(lab: Lab): Promise<View[]> {
  const browser = await launch().catch((error: Error) => void lab.missing.push(`the view: ${error.message}`));
  if (!browser) return [];
  const topic = await createTopic(lab, 12);
  const settings = { KAFKA_BROKERS: lab.broker.brokers, KAFKA_TOPIC: topic };
  // More groups than processes: what the view sees of a group is what it has committed.
  const partitions = Array.from({ length: 12 }, (_, partition) => ({ partition, offset: '0' }));
  for (let group = 0; group < GROUPS; group++)
    await lab.admin.setOffsets({ groupId: `${topic}-${group}`, topic, partitions });
  const { service, port } = await openView(settings);
  const producer = start(compiled('producer/producer'), { ...settings, SEND_INTERVAL_MS: '1' });
  const consumer = start(compiled('consumers/consumer_fromOldest'), { ...settings, GROUP_ID: randomUUID() });
  for (const child of [producer, consumer]) child.stdout?.resume();
  const page = await browser.newPage();
  await page.goto(`http://localhost:${port}/?topic=${topic}`);
  const minutes = lab.short ? 0.5 : 10;
  const samples: { server: number; page: number; frames: number }[] = [];
  while (samples.length < SAMPLES) {
    const frames = await framesIn(page, (minutes * 60_000) / SAMPLES);
    samples.push({ server: usage(service.child.pid as number).memory, page: await heap(page), frames });
    lab.progress(`view, sample ${samples.length} of ${SAMPLES}: ${frames.toFixed(0)} frames a second`);
  }
  await browser.close();
  await service.stop();
  for (const child of [producer, consumer]) await stop(child);
  // In the first minute it fills what it keeps of ten.
  return [
    {
      minutes,
      frames: figure(samples.slice(1).map((one) => one.frames)),
      server: samples.map((one) => one.server),
      page: samples.map((one) => one.page),
    },
  ];
}

/** How many frames a second the page draws, over so many ms. */
async function framesIn(page: Page, ms: number): Promise<number> {
  const count = () =>
    page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          let frames = 0;
          const until = performance.now() + 5000;
          const frame = () => {
            if (performance.now() >= until) return resolve(frames / 5);
            frames++;
            requestAnimationFrame(frame);
          };
          requestAnimationFrame(frame);
        }),
    );
  const end = Date.now() + ms;
  const frames = await count();
  await sleep(Math.max(0, end - Date.now()));
  return frames;
}

/** What the page holds in its heap, in MB, once what nobody needs is collected. */
async function heap(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usedSize / 1e6;
}

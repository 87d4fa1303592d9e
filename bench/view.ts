/** What the live view costs, how soon it shows a message, and whether its memory and frames hold under much to show. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { launch } from '../harness/browser';
import { until } from '../harness/service';
import { freePort } from '../local/broker';
import { usage } from './cost';
import { compiled } from './install';
import { createTopic, figure, percentile, start, stop } from './lab';
import type { Lab, View } from './types';

const ROOT = join(__dirname, '..');
const SAMPLES = 20;
const GROUPS = 20;
const PARTITIONS = 12;

export async function view(lab: Lab): Promise<View[]> {
  const browser = await launch().catch((error: Error) => void lab.missing.push(`the view: ${error.message}`));
  if (!browser) return [];
  compilePage();
  const calm = await ofTheDemo(lab, browser);
  const busy = await ofMuch(lab, browser);
  await browser.close();
  return [{ ...calm, ...busy }];
}

/** The demo's three consumers and its one message a second: nobody watching, then a page. */
async function ofTheDemo(
  lab: Lab,
  browser: Browser,
): Promise<Pick<View, 'unwatched' | 'watched' | 'shownAfter'>> {
  const settings = { KAFKA_BROKERS: lab.broker.brokers, KAFKA_TOPIC: await createTopic(lab) };
  const services = ['producer/producer', ...CONSUMERS].map((name) => start(compiled(name), settings));
  for (const child of services) child.stdout?.resume();
  const { child, port } = await openCompiled(settings);
  const pid = child.pid as number;
  const seconds = lab.short ? 10 : 60;
  // What a start costs is over.
  await sleep(10_000);
  const unwatched = await cpu(pid, seconds);
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(`http://localhost:${port}/`);
  await page.locator('.cell').first().waitFor();
  await page.evaluate(noteCells);
  const watched = await cpu(pid, seconds);
  const seen = await page.evaluate(() => (window as unknown as Noting).seen);
  const answer = await fetch(`http://localhost:${port}/api/state`);
  const { messages } = (await answer.json()) as {
    messages: Record<string, { offset: number; timestamp: number }[]>;
  };
  const sentAt = new Map(messages[0]?.map(({ offset, timestamp }) => [offset, timestamp]));
  const after = seen.flatMap(([offset, at]) => at - (sentAt.get(offset) ?? Number.NaN)).sort((a, b) => a - b);
  const shownAfter = { p50: percentile(after, 50), p99: percentile(after, 99) };
  lab.progress(`view: ${JSON.stringify({ unwatched, watched, shownAfter, of: after.length })}`);
  await page.close();
  for (const one of [child, ...services]) await stop(one);
  return { unwatched, watched, shownAfter };
}

/** 1,000 messages a second on 12 partitions, followed by 20 groups; once, for its length. */
async function ofMuch(
  lab: Lab,
  browser: Browser,
): Promise<Pick<View, 'minutes' | 'frames' | 'busy' | 'server' | 'page'>> {
  const topic = await createTopic(lab, PARTITIONS);
  const settings = { KAFKA_BROKERS: lab.broker.brokers, KAFKA_TOPIC: topic };
  // More groups than processes: what the view sees of a group is what it has committed.
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, offset: '0' }));
  for (let group = 1; group < GROUPS; group++)
    await lab.admin.setOffsets({ groupId: `${topic}-${group}`, topic, partitions });
  const { child, port } = await openCompiled(settings);
  const pid = child.pid as number;
  const producer = start(compiled('producer/producer'), { ...settings, SEND_INTERVAL_MS: '1' });
  const consumer = start(compiled(CONSUMERS[0]), { ...settings, GROUP_ID: randomUUID() });
  for (const one of [producer, consumer]) one.stdout?.resume();
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(`http://localhost:${port}/?topic=${topic}`);
  const minutes = lab.short ? 0.5 : 10;
  const samples: { frames: number; cpu: number; server: number; page: number }[] = [];
  while (samples.length < SAMPLES) {
    const [frames, used] = await Promise.all([framesIn(page), cpu(pid, (minutes * 60) / SAMPLES)]);
    samples.push({ frames, cpu: used, server: usage(pid).memory, page: await heap(page) });
    lab.progress(`view, sample ${samples.length} of ${SAMPLES}: ${JSON.stringify(samples.at(-1))}`);
  }
  await page.close();
  for (const one of [child, producer, consumer]) await stop(one);
  // The first has the start in it.
  const of = (what: 'frames' | 'cpu') => figure(samples.slice(1).map((one) => one[what]));
  return {
    minutes,
    frames: of('frames'),
    busy: of('cpu'),
    server: samples.map((one) => one.server),
    page: samples.map((one) => one.page),
  };
}

const CONSUMERS = [
  'consumers/consumer_fromOldest',
  'consumers/consumer_fromNewest',
  'consumers/consumer_batchMessage',
] as const;

/** The page as the image has it: beside the compiled code. */
function compilePage(): void {
  execFileSync('npm', ['run', '--silent', 'page'], { cwd: ROOT });
}

/** The view with the heap of its container. */
async function openCompiled(settings: { KAFKA_BROKERS: string; KAFKA_TOPIC: string }) {
  const port = await freePort();
  const child = start(compiled('view/live_view'), { ...settings, VIEW_PORT: String(port) });
  child.stdout?.resume();
  await until('the view', () => fetch(`http://localhost:${port}/`).catch(() => undefined));
  return { child, port };
}

/** Of a process, in percent of a core, over so many seconds. */
async function cpu(pid: number, seconds: number): Promise<number> {
  const [before, begin] = [usage(pid).cpu, performance.now()];
  await sleep(seconds * 1000);
  return ((usage(pid).cpu - before) / (performance.now() - begin)) * 100_000;
}

interface Noting {
  /** The offset of each cell that came, and when, in ms since 1970. */
  seen: [number, number][];
}

/** Runs in the page: notes each cell when it comes. */
function noteCells(): void {
  const noting = window as unknown as Noting;
  noting.seen = [];
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes)
      for (const node of addedNodes)
        if (node instanceof Element && node.matches('.cell'))
          noting.seen.push([Number(node.querySelector('button')?.textContent), Date.now()]);
  }).observe(document.querySelector('.cells') as Element, { childList: true });
}

/** How many frames a second the page draws, over five seconds. */
function framesIn(page: Page): Promise<number> {
  return page.evaluate(
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
}

/** What the page holds in its heap, in MB, once what nobody needs is collected. */
async function heap(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usedSize / 1e6;
}

/** What the live view costs, how soon it shows a message, and whether its memory and frames hold under much to show. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { framesIn, launch } from '../harness/browser';
import { readInGroups } from '../harness/groups';
import { until } from '../harness/service';
import { freePort } from '../local/broker';
import { usage } from './cost';
import { compiled } from './install';
import { createTopic, figure, percentile, start, stop } from './lab';
import type { Lab, Much, View } from './types';

const ROOT = join(__dirname, '..');
const SAMPLES = 20;
const GROUPS = 20;
const PARTITIONS = 12;
const LARGE = { width: 1440, height: 1000 };
const ULTRA_HD = { width: 3840, height: 2160 };
/** So long, in ms, the frames of a sample are counted, at each size. */
const FRAMES_MS = 5000;
/** All groups have to have joined within so long, in ms. */
const START_MS = 180_000;

export async function view(lab: Lab): Promise<View[]> {
  const browser = await launch().catch((error: Error) => void lab.missing.push(`the view: ${error.message}`));
  if (!browser) return [];
  compilePage();
  const calm = await ofTheDemo(lab, browser);
  const much = await ofMuch(lab, browser);
  await browser.close();
  return [{ ...calm, much }];
}

/** The demo's three consumers and its one message a second: nobody watching, then a page. */
async function ofTheDemo(lab: Lab, browser: Browser): Promise<Omit<View, 'much'>> {
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

/** 1,000 messages a second on 12 partitions, followed by 20 groups that all commit all the time; once, for its length. */
async function ofMuch(lab: Lab, browser: Browser): Promise<Much> {
  const topic = await createTopic(lab, PARTITIONS);
  const settings = { KAFKA_BROKERS: lab.broker.brokers, KAFKA_TOPIC: topic };
  const { child, port } = await openCompiled(settings);
  const pid = child.pid as number;
  const producer = start(compiled('producer/producer'), { ...settings, SEND_INTERVAL_MS: '1' });
  producer.stdout?.resume();
  const names = Array.from({ length: GROUPS }, (_, group) => `${topic}-${group}`);
  const endReaders = await readInGroups(lab.broker.brokers, topic, names);
  const page = await browser.newPage({ viewport: LARGE });
  await page.goto(`http://localhost:${port}/?topic=${topic}`);
  await page
    .locator('.lane')
    .first()
    .locator('.flag')
    .nth(GROUPS - 1)
    .waitFor({ timeout: START_MS });
  const minutes = lab.short ? 1 : 10;
  const samples: { frames: number; framesAt4K: number; cpu: number; server: number; page: number }[] = [];
  while (samples.length < (lab.short ? 4 : SAMPLES)) {
    const [[frames, framesAt4K], used] = await Promise.all([
      framesAtBoth(page),
      cpu(pid, (minutes * 60) / SAMPLES),
    ]);
    samples.push({ frames, framesAt4K, cpu: used, server: usage(pid).memory, page: await heap(page) });
    lab.progress(`view, sample ${samples.length}: ${JSON.stringify(samples.at(-1))}`);
  }
  await page.close();
  await endReaders();
  for (const one of [child, producer]) await stop(one);
  // The first has the start in it.
  const of = (what: 'frames' | 'framesAt4K' | 'cpu') => figure(samples.slice(1).map((one) => one[what]));
  return {
    minutes,
    frames: of('frames'),
    framesAt4K: of('framesAt4K'),
    busy: of('cpu'),
    server: samples.map((one) => one.server),
    page: samples.map((one) => one.page),
  };
}

/** How many frames a second the page draws, on a large screen and on one of 4K. */
async function framesAtBoth(page: Page): Promise<[number, number]> {
  const frames: number[] = [];
  for (const size of [LARGE, ULTRA_HD]) {
    await page.setViewportSize(size);
    // What the new size costs is over.
    await sleep(1000);
    frames.push(await framesIn(page, FRAMES_MS));
  }
  return frames as [number, number];
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
  const child = start(compiled('view/live_view', 'view/view'), { ...settings, VIEW_PORT: String(port) });
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

/** What the page holds in its heap, in MB, once what nobody needs is collected. */
async function heap(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usedSize / 1e6;
}

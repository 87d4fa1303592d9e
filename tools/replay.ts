/**
 * Records the live view in each scene, docs/replay/SLUG.json, on the demo without Docker; and makes of the recordings a
 * page that needs nothing else, docs/replay/index.html.
 *
 *     npm run replay [-- SLUG ...]
 *
 * With names, only these are recorded; with `page`, none is, and the page is made anew.
 */
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { killServices, type ServiceName, startService } from '../harness/service';
import { openView } from '../harness/view';
import { fetchKafka, startBroker } from '../local/broker';
import { startCluster } from '../local/cluster';
import type { Snapshot, Tick } from '../view/picture';
import { keep, type Recording } from '../view/recording';
import { PAGE, pageOf, recordingFile } from './replay_page';
import { SCENES, type Scene, type Stage } from './scenes';

/** What comes before the first service, and after the scene, in ms: to see what it leads to. */
const LEAD_MS = 1000;
const END_MS = 4000;

async function main(names: readonly string[]): Promise<void> {
  const known = ['page', ...SCENES.map(({ slug }) => slug)];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown) throw new Error(`${unknown} is not recorded: choose of ${known.join(', ')}`);
  for (const scene of SCENES) {
    if (names.length > 0 && !names.includes(scene.slug)) continue;
    const recording = await record(scene);
    writeFileSync(recordingFile(scene), textOf(recording));
    console.log(`Recorded: ${scene.slug}, ${recording.ticks.length} ticks`);
  }
  const page = pageOf(SCENES.filter((scene) => existsSync(recordingFile(scene))));
  writeFileSync(PAGE, page);
  console.log(`Written: docs/replay/index.html, ${Math.round(page.length / 1000)} kB`);
}

/** On a Kafka of its own. */
async function record(scene: Scene): Promise<Recording> {
  const dataDir = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));
  await fetchKafka(scene.brokers === 1 ? 'kafka-3' : 'kafka-4');
  const kafka = await (scene.brokers === 1 ? startBroker : startCluster)({ dataDir });
  try {
    const settings = { KAFKA_BROKERS: kafka.brokers, KAFKA_TOPIC: scene.topic };
    const view = await openView(settings);
    const tape = await listen(view.port, scene.topic);
    await sleep(LEAD_MS);
    const start = (name: ServiceName, more = {}) => startService(name, { ...settings, ...more });
    await scene.play({ start, view, broker: kafka, cluster: kafka } as unknown as Stage);
    await sleep(END_MS);
    return tape.stop();
  } finally {
    await killServices();
    await kafka.stop();
    rmSync(dataDir, { recursive: true });
  }
}

/** Keeps what the page is told, from its first state on. */
async function listen(port: number, topic: string): Promise<{ stop(): Recording }> {
  const call = get(`http://localhost:${port}/events?topic=${topic}`, { agent: false });
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  // It ends with the call.
  response.on('error', () => {});
  let text = '';
  response.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  return {
    stop: () => {
      call.destroy();
      const told = [...text.matchAll(/^data: (.*)\n\n/gm)].map(([, data = '']) => JSON.parse(data));
      const [state, ...ticks] = told as [Snapshot, ...Tick[]];
      return { state: { ...state, topics: [topic] }, ticks: ticks.map(keep) };
    },
  };
}

/** A tick a line: two recordings can be compared. */
function textOf({ state, ticks }: Recording): string {
  const lines = ticks.map((tick) => JSON.stringify(tick)).join(',\n');
  return `{"state":${JSON.stringify(state)},"ticks":[\n${lines}\n]}\n`;
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

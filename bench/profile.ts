/** Where the time of this project's fastest run goes, by V8's own profile. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTopic, fill, type Lab, start } from './measure';
import { service } from './peers';

export interface Profile {
  what: string;
  /** In percent of the run. */
  share: number;
}

/** What V8 writes with --cpu-prof: of each node of the call tree, and of each sample. */
interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string } }[];
  samples: number[];
  /** In µs, since the sample before. */
  timeDeltas: number[];
}

const KINDS: [string, (frame: CpuProfile['nodes'][0]['callFrame']) => boolean][] = [
  ['waiting for the broker', ({ functionName }) => functionName === '(idle)'],
  ['garbage collection', ({ functionName }) => functionName === '(garbage collector)'],
  ['kafkajs: decoding records, and its own bookkeeping', ({ url }) => url.includes('/kafkajs/')],
  ['this project: parsing (JSON.parse and the checks)', ({ url }) => url.endsWith('/lib/message.js')],
  ['this project: batches, offsets, commits', ({ url }) => url.includes('/dist/')],
  ['Node.js and V8: buffers, strings, sockets, promises', () => true],
];

/** Batches of 1,000 from a topic of so many messages, from the first to the last. */
export async function profile(lab: Lab, messages: number): Promise<Profile[]> {
  const topic = await createTopic(lab);
  await fill(lab, topic, messages);
  const [node, ...script] = service('bench/clients/ours');
  const child = start(
    [node, '--cpu-prof', `--cpu-prof-dir=${lab.dataDir}`, ...script],
    {
      KAFKA_BROKERS: lab.broker.brokers,
      KAFKA_TOPIC: topic,
      GROUP_ID: randomUUID(),
      BENCH_MESSAGES: String(messages),
      BENCH_SECONDS: '600',
      BENCH_BATCH: '1000',
      BATCH_SIZE: '1000',
    },
    'ignore',
  );
  await once(child, 'exit');
  const file = readdirSync(lab.dataDir).find((name) => name.endsWith('.cpuprofile')) as string;
  const { nodes, samples, timeDeltas }: CpuProfile = JSON.parse(
    readFileSync(join(lab.dataDir, file), 'utf8'),
  );
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const shares = new Map(KINDS.map(([what]) => [what, 0]));
  const total = timeDeltas.reduce((sum, delta) => sum + delta, 0);
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id);
    const [what] = KINDS.find(([, matches]) => frame && matches(frame)) ?? [];
    if (what) shares.set(what, (shares.get(what) as number) + ((timeDeltas[index] as number) / total) * 100);
  }
  lab.progress('profile');
  return [...shares].map(([what, share]) => ({ what, share: Math.round(share * 10) / 10 }));
}

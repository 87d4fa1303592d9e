/** What the demo costs: CPU and memory of each process, at rest and at work, and over a long history. */
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTopic, type Figure, figure, fill, type Lab, start, stop, usage } from './measure';
import { service } from './peers';

const SERVICES = {
  'kafka-producer': 'producer/producer',
  consumer_from_oldest: 'consumers/consumer_fromOldest',
  consumer_from_newest: 'consumers/consumer_fromNewest',
  consumer_batch_message: 'consumers/consumer_batchMessage',
};

export interface Cost {
  process: string;
  /** `idle`: no message comes. `at work`: one a second, as in the demo. */
  state: 'idle' | 'at work';
  /** In percent of one core. */
  cpu: Figure;
  /** Resident, in MB. */
  memory: Figure;
}

/** Over `seconds` in each round. */
export async function cost(lab: Lab, seconds: number): Promise<Cost[]> {
  const results: Cost[] = [];
  for (const [state, interval] of [
    ['idle', 600_000],
    ['at work', 1000],
  ] as const) {
    const topic = await createTopic(lab);
    const environment = {
      KAFKA_BROKERS: lab.broker.brokers,
      KAFKA_TOPIC: topic,
      SEND_INTERVAL_MS: String(interval),
    };
    const services = Object.entries(SERVICES).map(([name, entrypoint]): [string, ChildProcess] => [
      name,
      start(service(entrypoint), environment, 'ignore'),
    ]);
    const pids = new Map(services.map(([name, { pid }]) => [name, pid as number]));
    for (const [name, pid] of Object.entries(lab.broker.pids)) pids.set(name, pid);
    await sleep(10_000);
    const samples = new Map(
      [...pids.keys()].map((name) => [name, { cpu: [] as number[], memory: [] as number[] }]),
    );
    for (let round = 1; round <= lab.rounds; round++) {
      const before = new Map([...pids].map(([name, pid]) => [name, usage(pid).cpu]));
      const begin = performance.now();
      await sleep(seconds * 1000);
      const took = (performance.now() - begin) / 1000;
      for (const [name, pid] of pids) {
        const { cpu, memory } = usage(pid);
        samples.get(name)?.cpu.push(((cpu - (before.get(name) as number)) / took) * 100);
        samples.get(name)?.memory.push(memory);
      }
      lab.progress(`cost, round ${round} of ${lab.rounds}: ${state}`);
    }
    const sums = [...samples].filter(([name]) => name in SERVICES).map(([, sample]) => sample);
    const total = (pick: 'cpu' | 'memory') =>
      Array.from({ length: lab.rounds }, (_, n) =>
        sums.reduce((sum, one) => sum + (one[pick][n] as number), 0),
      );
    samples.set('the four services', { cpu: total('cpu'), memory: total('memory') });
    for (const [name, { cpu, memory }] of samples)
      results.push({ process: name, state, cpu: figure(cpu), memory: figure(memory) });
    for (const [, child] of services) await stop(child);
  }
  return results;
}

export interface History {
  service: string;
  /** As the history is replayed: how many messages so far, and the resident memory in MB. */
  curve: { messages: number; memory: number }[];
  messages: number;
  seconds: number;
}

/** A history is replayed by a service whose heap is bounded as in its container; once, for its length. */
export async function history(lab: Lab, messages: number): Promise<History[]> {
  const topic = await createTopic(lab);
  await fill(lab, topic, messages);
  const results: History[] = [];
  for (const [name, entrypoint, settings] of [
    ['consumer_from_oldest', SERVICES.consumer_from_oldest, {}],
    ['consumer_batch_message', SERVICES.consumer_batch_message, { BATCH_SIZE: '1000' }],
  ] as const) {
    const group = randomUUID();
    const environment = {
      KAFKA_BROKERS: lab.broker.brokers,
      KAFKA_TOPIC: topic,
      GROUP_ID: group,
      ...settings,
    };
    const child = start(service(entrypoint), environment);
    const curve: History['curve'] = [];
    let next = 0;
    let begin = 0;
    const done = new Promise<void>((resolve) => {
      createInterface(child.stdout as NodeJS.ReadableStream).on('line', (line) => {
        begin ||= performance.now();
        const offset = Number(/, offsets? (?:\d+-)?(\d+), /.exec(line)?.[1] ?? -1);
        if (offset + 1 >= next) {
          curve.push({ messages: offset + 1, memory: usage(child.pid as number).memory });
          next += messages / 20;
        }
        if (offset + 1 === messages) resolve();
      });
    });
    await Promise.race([
      done,
      once(child, 'exit').then(() => Promise.reject(new Error(`${name} has ended`))),
    ]);
    const seconds = (performance.now() - begin) / 1000;
    await stop(child);
    const [committed] = await lab.admin.fetchOffsets({ groupId: group, topics: [topic] });
    const offset = Number(committed?.partitions[0]?.offset);
    if (offset !== messages) throw new Error(`${name} took ${messages} messages and committed ${offset}`);
    results.push({ service: name, curve, messages, seconds });
    lab.progress(`history: ${name} replayed ${messages} messages in ${seconds.toFixed(0)} s`);
  }
  return results;
}

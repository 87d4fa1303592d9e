/** How long a message is under way: from the producer's tick to the line of a consumer that waits for it. */
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { makeValue } from '../lib/message';
import { Outbox, ticks } from '../lib/producer';
import { createTopic, type Figure, figure, inTurn, type Lab, percentile, start, stop } from './measure';
import type { Client, ClientName } from './peers';

export interface Latency {
  client: ClientName;
  /** Messages a second. */
  rate: number;
  /** In ms. */
  p50: Figure;
  p99: Figure;
  max: Figure;
}

/** Messages a second, and for how many seconds. */
const RATES: [number, number][] = [
  [1, 6],
  [100, 3],
  [1000, 3],
];

export async function latency(lab: Lab, clients: Client[]): Promise<Latency[]> {
  const runs = new Map(clients.map((client) => [client.name, () => follow(lab, client)]));
  const results = await inTurn(lab, 'latency', runs);
  return clients.flatMap(({ name }) =>
    RATES.map(([rate], index) => {
      const all = (results.get(name) ?? []).map((rates) => rates[index] as Percentiles);
      return {
        client: name,
        rate,
        p50: figure(all.map(({ p50 }) => p50)),
        p99: figure(all.map(({ p99 }) => p99)),
        max: figure(all.map(({ max }) => max)),
      };
    }),
  );
}

interface Percentiles {
  p50: number;
  p99: number;
  max: number;
}

/** Each value says when it was ticked, and each client prints the values: the rest is arithmetic. */
async function follow(lab: Lab, client: Client): Promise<Percentiles[]> {
  const topic = await createTopic(lab);
  const command =
    client.name === 'kcat'
      ? [...client.command, '-C', '-b', lab.broker.brokers, '-t', topic, '-o', 'end', '-q', '-u']
      : (client.latencyCommand ?? client.command);
  const environment = {
    KAFKA_BROKERS: lab.broker.brokers,
    KAFKA_TOPIC: topic,
    GROUP_ID: randomUUID(),
    BENCH_LATENCY: '1',
    ...client.environment,
  };
  const child = start(command, environment);
  const arrived = new Map<number, number>();
  createInterface(child.stdout as NodeJS.ReadableStream).on('line', (line) => {
    const [, n, sent] = /"n":(\d+),"sent":([\d.]+)/.exec(line) ?? [];
    if (n) arrived.set(Number(n), performance.now() - Number(sent));
  });
  const producer = new BenchProducer(lab, topic);
  await producer.open();
  // It is there once the first message has come through.
  while (arrived.size === 0) await producer.send(20, 5);
  const results: Percentiles[] = [];
  for (const [rate, seconds] of RATES) {
    const first = producer.count;
    await producer.send(rate, rate * seconds);
    while (!arrived.has(producer.count - 1)) await new Promise((resolve) => setTimeout(resolve, 10));
    const times: number[] = [];
    for (let n = first; n < producer.count; n++) {
      const time = arrived.get(n);
      if (time === undefined) throw new Error(`${client.name} has lost message ${n}`);
      times.push(time);
    }
    times.sort((a, b) => a - b);
    const [p50, p99, max] = [50, 99, 100].map((p) => Math.round(percentile(times, p) * 100) / 100);
    results.push({ p50, p99, max } as Percentiles);
  }
  await producer.close();
  await stop(child, client.latencyCommand ? 'SIGTERM' : 'SIGKILL');
  return results;
}

/** This project's producer, with a number and the time of the tick in each value. */
export class BenchProducer {
  count = 0;
  private readonly stopping = new AbortController();
  private readonly outbox: Outbox;

  constructor(lab: Lab, topic: string) {
    const config = {
      clientId: 'bench-producer',
      brokers: [lab.broker.brokers],
      topic,
      topicPartitions: 1,
      sendIntervalMs: 1,
      bufferSize: 1_000_000,
      healthFile: undefined,
    };
    this.outbox = new Outbox(config, this.stopping.signal, () => {});
  }

  open(): Promise<void> {
    return this.outbox.open();
  }

  /** So many messages, at `rate` a second. Resolves after the last tick. */
  async send(rate: number, messages: number): Promise<void> {
    const enough = new AbortController();
    const end = this.count + messages;
    for await (const time of ticks(1000 / rate, enough.signal)) {
      const value = { ...JSON.parse(makeValue(time)), n: this.count++, sent: performance.now() };
      this.outbox.post(JSON.stringify(value), time);
      if (this.count >= end) enough.abort();
    }
  }

  async close(): Promise<void> {
    this.stopping.abort();
    await this.outbox.close();
  }
}

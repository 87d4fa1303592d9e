/** How long a message is under way: from the producer's tick to the line of a consumer that waits for it. */
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { until } from '../harness/service';
import { makeValue } from '../lib/message/message';
import { Outbox } from '../lib/outbox/outbox';
import { ticks } from '../lib/process/ticks';
import { producerConfig } from '../lib/settings/settings';
import { createTopic, figure, inTurn, percentile, start, stop } from './lab';
import type { Client, Lab, Latency } from './types';

/** Messages a second: the demo's own rate, and a busy one; and for how many seconds. */
const RATES = [
  { rate: 1, seconds: 5 },
  { rate: 1000, seconds: 3 },
];

type Times = Record<'p50' | 'p99' | 'max', number>;

export async function latency(lab: Lab, clients: Client[]): Promise<Latency[]> {
  const runs = clients.map((client) => ({
    row: { client: client.name },
    measure: () => follow(lab, client),
  }));
  const measured = await inTurn(lab, 'latency, ms', runs);
  return RATES.flatMap(({ rate }, index) =>
    measured.map(({ row, results }) => {
      const of = (what: keyof Times) => figure(results.map((times) => (times[index] as Times)[what]));
      return { ...row, rate, p50: of('p50'), p99: of('p99'), max: of('max') };
    }),
  );
}

/** Each value says when it was ticked, and each client prints the values: the rest is arithmetic. */
async function follow(lab: Lab, client: Client): Promise<Times[]> {
  const settings = { KAFKA_BROKERS: lab.broker.brokers, KAFKA_TOPIC: await createTopic(lab) };
  const environment = { ...settings, ...client.environment, GROUP_ID: randomUUID() };
  const child = start(client.follow, environment);
  const times: number[] = [];
  createInterface(child.stdout as NodeJS.ReadableStream).on('line', (line) => {
    const [, n, ticked] = /"n":(\d+),"ticked":([\d.]+)/.exec(line) ?? [];
    if (n) times[Number(n)] = performance.now() - Number(ticked);
  });
  const stopping = new AbortController();
  const config = producerConfig('bench', { ...settings, BUFFER_SIZE: '1000000' });
  const outbox = new Outbox(config, stopping.signal, () => {});
  await outbox.open();
  let count = 0;
  const send = async (rate: number, messages: number) => {
    const enough = new AbortController();
    const end = count + messages;
    for await (const time of ticks(1000 / rate, enough.signal)) {
      const value = { ...JSON.parse(makeValue(time)), n: count++, ticked: performance.now() };
      outbox.post(JSON.stringify(value), time);
      if (count === end) enough.abort();
    }
  };
  // It is there once a message has come through.
  while (times.length === 0) await send(20, 5);
  const results: Times[] = [];
  for (const { rate, seconds } of RATES) {
    const first = count;
    await send(rate, rate * seconds);
    const arrived = () => times.slice(first).filter((time) => time !== undefined);
    await until(`all messages at ${client.name}`, () => arrived().length === count - first);
    const sorted = arrived().sort((a, b) => a - b);
    const [p50, p99, max] = [50, 99, 100].map((p) => Math.round(percentile(sorted, p) * 100) / 100);
    results.push({ p50, p99, max } as Times);
  }
  stopping.abort();
  await outbox.close();
  await stop(child, 'SIGKILL');
  return results;
}

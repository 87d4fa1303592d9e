/** Why batches: how far one by one falls behind when a call of the handler costs something, and a batch does not. */
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { received } from '../test/support/log';
import { BenchProducer } from './latency';
import { createTopic, type Figure, figure, type Lab, start, stop } from './measure';
import { service } from './peers';

/** Of one call of the handler, in ms. */
const COSTS = [0, 1, 10, 50];
/** Messages a second. */
const RATES = [50, 500];
/** 0: one by one. */
const SIZES = [0, 10, 100];
const SECONDS = 12;
const SAMPLE_MS = 500;

export interface Lag {
  rate: number;
  cost: number;
  /** `one by one`, `batches of N` */
  mode: string;
  /** Of each sample: the second, and the messages sent and not yet handed to the handler, in the last round. */
  curve: { second: number; lag: number }[];
  /** At the end, over all rounds. */
  final: Figure;
}

export async function lag(lab: Lab): Promise<Lag[]> {
  const results = new Map<string, Lag>();
  const finals = new Map<string, number[]>();
  for (let round = 1; round <= lab.rounds; round++)
    for (const rate of RATES) {
      for (const one of await falling(lab, rate)) {
        const key = `${one.rate} ${one.cost} ${one.mode}`;
        finals.set(key, [...(finals.get(key) ?? []), one.curve.at(-1)?.lag ?? 0]);
        results.set(key, { ...one, final: figure(finals.get(key) as number[]) });
      }
      lab.progress(`lag, round ${round} of ${lab.rounds}: ${rate} messages a second`);
    }
  return [...results.values()];
}

/** All kinds of consumer follow one topic at once: most of their time is the handler's, and that only sleeps. */
async function falling(lab: Lab, rate: number): Promise<Omit<Lag, 'final'>[]> {
  const topic = await createTopic(lab);
  const producer = new BenchProducer(lab, topic);
  await producer.open();
  const consumers = COSTS.flatMap((cost) =>
    SIZES.map((size) => {
      const child = start(service(`consumers/consumer_${size === 0 ? 'fromNewest' : 'batchMessage'}`), {
        KAFKA_BROKERS: lab.broker.brokers,
        KAFKA_TOPIC: topic,
        GROUP_ID: randomUUID(),
        AUTO_OFFSET_RESET: 'earliest',
        HANDLER_DELAY_MS: String(cost),
        ...(size > 0 && { BATCH_SIZE: String(size), BATCH_WAIT_MS: '1000' }),
      });
      const consumer = { cost, size, child, ready: false, handled: 0, curve: [] as Lag['curve'] };
      createInterface(child.stdout as NodeJS.ReadableStream).on('line', (line) => {
        consumer.ready ||= line.startsWith('Starting at');
        for (const { last } of received([line])) consumer.handled = last + 1;
      });
      return consumer;
    }),
  );
  while (!consumers.every(({ ready }) => ready)) await new Promise((resolve) => setTimeout(resolve, 50));
  const begin = performance.now();
  const sampling = setInterval(() => {
    const second = Math.round((performance.now() - begin) / SAMPLE_MS) / (1000 / SAMPLE_MS);
    for (const one of consumers) one.curve.push({ second, lag: producer.count - one.handled });
  }, SAMPLE_MS);
  await producer.send(rate, rate * SECONDS);
  clearInterval(sampling);
  await producer.close();
  // What is in the handler's hands may take longer than a stop allows: nothing of it is needed.
  for (const { child } of consumers) child.kill('SIGKILL');
  await Promise.all(consumers.map(({ child }) => stop(child, 'SIGKILL')));
  return consumers.map(({ cost, size, curve }) => ({
    rate,
    cost,
    mode: size === 0 ? 'one by one' : `batches of ${size}`,
    curve,
  }));
}

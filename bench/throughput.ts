/** How many messages a second each client takes from a topic that holds them already. */
import { randomUUID } from 'node:crypto';
import { checkCommitted, createHistory, figure, inTurn, javaTool, outputOf, start } from './lab';
import type { Client, Lab, Throughput } from './types';

/** How many messages are a batch; 0: one by one. */
const MODES = [
  ['one by one', 0],
  ['batches of 1,000', 1000],
] as const;
const PARTITIONS = [1, 6];

const TOOL = "Kafka's perf tool";

export async function throughput(lab: Lab, clients: Client[]): Promise<Throughput[]> {
  const messages = lab.short ? 50_000 : 2_000_000;
  const runs: { row: Omit<Throughput, 'rate'>; measure: () => Promise<number> }[] = [];
  for (const partitions of PARTITIONS) {
    const topic = await createHistory(lab, messages, partitions);
    for (const [mode, size] of MODES)
      for (const client of clients.filter((one) => one.consume)) {
        // The last messages of each partition fill no batch: this project's would wait for more.
        const enough = messages - partitions * size;
        const run = (settings = {}) => consume(lab, client, topic, size, enough, settings);
        runs.push({ row: { client: client.name, partitions, mode }, measure: () => run() });
        if (client.name === 'this project' && partitions === 1) {
          const row = { client: 'this project, with its log', partitions, mode };
          runs.push({ row, measure: () => run({ BENCH_LOG: '1' }) });
        }
      }
    const row = { partitions, mode: 'read only' as const };
    for (const client of clients.filter((one) => one.read))
      runs.push({ row: { client: client.name, ...row }, measure: () => read(lab, client, topic, messages) });
    runs.push({ row: { client: TOOL, ...row }, measure: () => readByPerfTool(lab, topic, messages) });
  }
  const measured = await inTurn(lab, 'throughput', runs);
  return measured.map(({ row, results }) => ({ ...row, rate: figure(results) }));
}

/** @param size of a batch; 0: one by one @throws Error where it took another number of messages than it committed */
async function consume(
  lab: Lab,
  client: Client,
  topic: string,
  size: number,
  enough: number,
  settings: Record<string, string>,
): Promise<number> {
  const group = randomUUID();
  const environment = {
    KAFKA_BROKERS: lab.broker.brokers,
    KAFKA_TOPIC: topic,
    GROUP_ID: group,
    BENCH_MESSAGES: String(enough),
    BENCH_SECONDS: lab.short ? '1' : '4',
    ...(size > 0 && { BENCH_BATCH: String(size), BATCH_SIZE: String(size) }),
    ...settings,
  };
  const output = await outputOf(start(client.consume as string[], environment, 'pipe'), 'stderr');
  const { messages, seconds } = JSON.parse(output.trim().split('\n').at(-1) as string);
  await checkCommitted(lab, group, topic, messages);
  return Math.round(messages / seconds);
}

/** Its whole run: kcat says nothing of when it began. */
async function read(lab: Lab, client: Client, topic: string, messages: number): Promise<number> {
  const settings = {
    KAFKA_BROKERS: lab.broker.brokers,
    KAFKA_TOPIC: topic,
    BENCH_MESSAGES: String(messages),
  };
  const begin = performance.now();
  await outputOf(start(client.read as string[], { ...settings, ...client.environment }));
  return Math.round(messages / ((performance.now() - begin) / 1000));
}

/** As the tool itself measures it: without the time of joining. */
async function readByPerfTool(lab: Lab, topic: string, messages: number): Promise<number> {
  const output = await javaTool('ConsumerPerformance', [
    ...['--bootstrap-server', lab.broker.brokers, '--topic', topic],
    ...['--messages', String(messages), '--group', randomUUID(), '--hide-header'],
  ]);
  return Math.round(Number(output.trim().split('\n').at(-1)?.split(', ').at(-1)));
}

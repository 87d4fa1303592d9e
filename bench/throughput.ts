/** How many messages a second each client takes from a topic that holds them already. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createTopic, type Figure, figure, fill, inTurn, javaTool, type Lab } from './measure';
import { type Client, type ClientName, PERF_TOOL } from './peers';

/** Batches of this many; 0: one by one, with a commit after each hundred. */
const SIZES = [0, 1, 10, 100, 1000];
/** With more partitions, those sizes that are not bound by the commits. */
const SIZES_OF_MANY = [0, 1000];
const PARTITIONS = [1, 6];

export interface Throughput {
  client: ClientName | typeof PERF_TOOL;
  partitions: number;
  /** `one by one`, `batches of N`; of the tools that do no work, `read only`. */
  mode: string;
  /** The log line of each message or batch is printed. */
  log: boolean;
  /** Messages a second. */
  rate: Figure;
}

interface Options {
  messages: number;
  /** A run that has not read all after so many seconds ends with what it has. */
  seconds: number;
}

export async function throughput(lab: Lab, clients: Client[], options: Options): Promise<Throughput[]> {
  const runs: [Omit<Throughput, 'rate'>, () => Promise<number>][] = [];
  for (const partitions of PARTITIONS) {
    const topic = await createTopic(lab, partitions);
    await fill(lab, topic, options.messages);
    for (const size of partitions === 1 ? SIZES : SIZES_OF_MANY) {
      const mode = size === 0 ? 'one by one' : `batches of ${size.toLocaleString('en')}`;
      for (const client of clients) {
        if (client.name === 'kcat') continue;
        // The last messages of each partition fill no batch: this project's would wait for more.
        const enough = { ...options, messages: options.messages - partitions * size };
        const read = (log: boolean) => () => consume(lab, client, topic, size, log, enough);
        runs.push([{ client: client.name, partitions, mode, log: false }, read(false)]);
        if (client.name === 'this project' && partitions === 1 && (size === 0 || size === 1000))
          runs.push([{ client: client.name, partitions, mode, log: true }, read(true)]);
      }
    }
    const tool = { partitions, mode: 'read only', log: false };
    const kcat = clients.find(({ name }) => name === 'kcat');
    if (kcat) runs.push([{ client: 'kcat', ...tool }, () => readByKcat(lab, kcat, topic, options.messages)]);
    runs.push([{ client: PERF_TOOL, ...tool }, () => readByPerfTool(lab, topic, options.messages)]);
  }
  const named = new Map(runs.map(([what, run]) => [JSON.stringify(what), run]));
  const results = await inTurn(lab, 'throughput', named);
  return runs.map(([what]) => ({ ...what, rate: figure(results.get(JSON.stringify(what)) as number[]) }));
}

/** @throws Error where the client took another number of messages than it has committed */
async function consume(
  lab: Lab,
  client: Client,
  topic: string,
  size: number,
  log: boolean,
  options: Options,
): Promise<number> {
  const group = randomUUID();
  const [program, ...args] = client.command as [string, ...string[]];
  const child = spawn(program, args, {
    env: {
      PATH: process.env.PATH,
      KAFKA_BROKERS: lab.broker.brokers,
      KAFKA_TOPIC: topic,
      GROUP_ID: group,
      BENCH_MESSAGES: String(options.messages),
      BENCH_SECONDS: String(options.seconds),
      ...(size > 0 && { BENCH_BATCH: String(size), BATCH_SIZE: String(size) }),
      ...(log && { BENCH_LOG: '1' }),
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let report = '';
  child.stderr.on('data', (data) => {
    report += data;
  });
  await once(child, 'close');
  const { messages, seconds } = JSON.parse(report.trim().split('\n').at(-1) as string);
  const [committed] = await lab.admin.fetchOffsets({ groupId: group, topics: [topic] });
  const total = committed?.partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
  if (total !== messages) throw new Error(`${client.name} took ${messages} messages and committed ${total}`);
  return messages / seconds;
}

/** Its whole run, with no commit: kcat says nothing of when it began. */
async function readByKcat(lab: Lab, client: Client, topic: string, messages: number): Promise<number> {
  const begin = performance.now();
  const child = spawn(
    client.command[0] as string,
    ['-C', '-b', lab.broker.brokers, '-t', topic, '-o', 'beginning', '-q', '-c', String(messages)],
    { env: { PATH: process.env.PATH, ...client.environment }, stdio: ['ignore', 'ignore', 'ignore'] },
  );
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`kcat ended with exit code ${code}`);
  return messages / ((performance.now() - begin) / 1000);
}

/** As the tool itself measures it: without the time of joining. */
async function readByPerfTool(lab: Lab, topic: string, messages: number): Promise<number> {
  const output = await javaTool('ConsumerPerformance', [
    ...['--bootstrap-server', lab.broker.brokers, '--topic', topic],
    ...['--messages', String(messages), '--group', randomUUID(), '--hide-header'],
  ]);
  return Number(output.trim().split('\n').at(-1)?.split(', ').at(-1));
}

/** What all measurements share: figures over rounds, in turn; the broker and its topics; processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { progress, say } from '../harness/progress';
import { makeValue } from '../lib/message/message';
import { fetchKafka, startBroker } from '../local/broker';
import type { Figure, Lab } from './types';

/** They end with us, however we end: a service without its broker would try again for good. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export function figure(values: readonly number[]): Figure {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: percentile(sorted, 50), low: sorted[0] ?? Number.NaN, high: sorted.at(-1) ?? Number.NaN };
}

/** @param sorted in rising order @param p from 0 to 100; the nearest rank */
export function percentile(sorted: readonly number[], p: number): number {
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? Number.NaN;
}

/** Starts a broker, does the work, and ends the broker, its data removed. */
export async function inLab(
  rounds: number,
  short: boolean,
  work: (lab: Lab) => Promise<void>,
): Promise<void> {
  await fetchKafka();
  const dataDir = mkdtempSync(join(tmpdir(), 'kafka-consumers-bench-'));
  const broker = await startBroker({
    dataDir,
    // They are in process groups of their own: a terminal's Ctrl-C ends the clients, and us, but not these.
    onLaunch: ({ kill }) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const)
        process.once(signal, async () => {
          await kill();
          rmSync(dataDir, { recursive: true });
          process.exit(1);
        });
    },
  });
  const admin = new Kafka({ brokers: [broker.brokers], logLevel: logLevel.NOTHING }).admin();
  const begin = performance.now();
  const report = (what: string) => {
    const minutes = ((performance.now() - begin) / 60_000).toFixed(1);
    say(`${minutes.padStart(5)} min  ${what}`);
  };
  try {
    await admin.connect();
    await work({ broker, admin, dataDir, rounds, short, missing: [], progress: report });
  } finally {
    await admin.disconnect();
    await broker.stop();
    rmSync(dataDir, { recursive: true });
  }
}

/** Makes each of the measurements once, then each once more, and so on: A B C A B C …; gives each with its results. */
export async function inTurn<Row extends object, Result>(
  lab: Lab,
  what: string,
  measurements: readonly { row: Row; measure: () => Promise<Result> }[],
): Promise<{ row: Row; results: Result[] }[]> {
  const measured = measurements.map(({ row }) => ({ row, results: [] as Result[] }));
  const total = lab.rounds * measurements.length;
  let done = 0;
  let name = '';
  const shown = progress(() => `${what}, ${done} of ${total} done; now ${name}`);
  for (let round = 1; round <= lab.rounds; round++)
    for (const [index, { row, measure }] of measurements.entries()) {
      name = Object.values(row).join(', ');
      const result = await measure();
      done++;
      measured[index]?.results.push(result);
      lab.progress(`${what}, round ${round} of ${lab.rounds}: ${name}: ${JSON.stringify(result)}`);
    }
  shown.end();
  return measured;
}

export async function createTopic(lab: Lab, partitions = 1): Promise<string> {
  const topic = `bench-${randomUUID()}`;
  await lab.admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: true });
  return topic;
}

/** Makes a topic with messages of the demo's kind, by Kafka's own producer. */
export async function createHistory(lab: Lab, messages: number, partitions = 1): Promise<string> {
  const topic = await createTopic(lab, partitions);
  const payload = join(lab.dataDir, 'values.txt');
  const values = Array.from({ length: 1000 }, (_, second) => makeValue(new Date(second * 1000)));
  writeFileSync(payload, `${values.join('\n')}\n`);
  await javaTool('ProducerPerformance', [
    ...['--topic', topic, '--num-records', String(messages), '--throughput', '-1', '--payload-file', payload],
    ...['--producer-props', `bootstrap.servers=${lab.broker.brokers}`, 'linger.ms=20', 'batch.size=65536'],
  ]);
  return topic;
}

/** @throws Error where the group has committed another number of messages than it has taken */
export async function checkCommitted(lab: Lab, group: string, topic: string, taken: number): Promise<void> {
  const [offsets] = await lab.admin.fetchOffsets({ groupId: group, topics: [topic] });
  const total = offsets?.partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
  if (total !== taken) throw new Error(`Group ${group} took ${taken} messages and committed ${total}`);
}

/** Runs a tool of Kafka's own; gives what it prints. */
export function javaTool(name: string, args: string[]): Promise<string> {
  const jars = join(__dirname, '..', 'local', 'jars', '*');
  return outputOf(start(['java', '-cp', jars, `org.apache.kafka.tools.${name}`, ...args], {}, 'ignore'));
}

/** Starts a process of the bench, with nothing of our environment that might be a setting of it. */
export function start(
  [program, ...args]: readonly string[],
  environment: Record<string, string>,
  stderr: 'inherit' | 'pipe' | 'ignore' = 'inherit',
): ChildProcess {
  const child = spawn(program as string, args, {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    stdio: ['ignore', 'pipe', stderr],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** @throws Error where the process fails */
export async function outputOf(child: ChildProcess, stream: 'stdout' | 'stderr' = 'stdout'): Promise<string> {
  let output = '';
  child[stream]?.on('data', (data) => {
    output += data;
  });
  if (stream === 'stderr') child.stdout?.resume();
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${child.spawnargs.join(' ')} ended with exit code ${code}: ${output}`);
  return output;
}

export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}

/** What all measurements share: figures over rounds, in turn; the broker and its topics; processes. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { makeValue } from '../lib/message';
import { type Broker, startBroker } from '../local/broker';

/** A figure measured several times: the median, the lowest and the highest. */
export interface Figure {
  median: number;
  low: number;
  high: number;
}

export function figure(values: readonly number[]): Figure {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: percentile(sorted, 50), low: sorted[0] ?? Number.NaN, high: sorted.at(-1) ?? Number.NaN };
}

/** @param sorted in rising order @param p from 0 to 100; the nearest rank */
export function percentile(sorted: readonly number[], p: number): number {
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? Number.NaN;
}

export interface Lab {
  broker: Broker;
  admin: Admin;
  dataDir: string;
  rounds: number;
  /** Prints where the bench is. */
  progress(what: string): void;
}

export async function openLab(dataDir: string, rounds: number): Promise<Lab> {
  const broker = await startBroker({ dataDir });
  const kafka = new Kafka({ brokers: [broker.brokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const start = Date.now();
  const progress = (what: string) =>
    console.log(`${String(Math.round((Date.now() - start) / 1000)).padStart(5)} s  ${what}`);
  return { broker, admin, dataDir, rounds, progress };
}

/** Does each of the measurements once, then each once more, and so on: A B C A B C …; all results, by name. */
export async function inTurn<T>(
  lab: Lab,
  what: string,
  measurements: Map<string, () => Promise<T>>,
): Promise<Map<string, T[]>> {
  const results = new Map<string, T[]>([...measurements.keys()].map((name) => [name, []]));
  for (let round = 1; round <= lab.rounds; round++)
    for (const [name, measure] of measurements) {
      const result = await measure();
      results.get(name)?.push(result);
      lab.progress(`${what}, round ${round} of ${lab.rounds}: ${name}: ${JSON.stringify(result)}`);
    }
  return results;
}

export async function createTopic(lab: Lab, partitions = 1): Promise<string> {
  const topic = `bench-${randomUUID()}`;
  await lab.admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: true });
  return topic;
}

/** Fills a topic with messages of the demo's kind, by Kafka's own producer. */
export async function fill(lab: Lab, topic: string, messages: number): Promise<void> {
  const payload = join(lab.dataDir, 'values.txt');
  const values = Array.from({ length: 1000 }, (_, second) => makeValue(new Date(second * 1000)));
  writeFileSync(payload, `${values.join('\n')}\n`);
  await javaTool('ProducerPerformance', [
    ...['--topic', topic, '--num-records', String(messages), '--throughput', '-1', '--payload-file', payload],
    ...['--producer-props', `bootstrap.servers=${lab.broker.brokers}`, 'linger.ms=20', 'batch.size=65536'],
  ]);
}

/** Runs a tool of Kafka's own; gives what it prints. */
export async function javaTool(name: string, args: string[]): Promise<string> {
  const jars = join(__dirname, '..', 'local', 'jars', '*');
  const child = spawn('java', ['-cp', jars, `org.apache.kafka.tools.${name}`, ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${name} ended with exit code ${code}`);
  return output;
}

/** Starts a process of the bench; its standard error is ours. */
export function start(
  command: readonly string[],
  environment: Record<string, string>,
  stdout: 'pipe' | 'ignore' = 'pipe',
): ChildProcess {
  const [program, ...args] = command as [string, ...string[]];
  return spawn(program, args, {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    stdio: ['ignore', stdout, 'inherit'],
  });
}

export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}

/** Of a running process: CPU seconds used so far, and resident memory in MB. Linux only. */
export function usage(pid: number): { cpu: number; memory: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    cpu: (Number(fields[11]) + Number(fields[12])) / TICKS,
    memory: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1000,
  };
}

const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

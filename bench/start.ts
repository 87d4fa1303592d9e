/** How long the demo takes from the command to the first message, in parts, and how long to stop. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { copyProject } from '../test/support/compose';
import { createTopic, type Figure, figure, inTurn, type Lab, start, stop } from './measure';
import { service } from './peers';

const ROOT = join(__dirname, '..');

/** The parts of the start, in their order, each with the line that ends it. */
const PARTS: [string, (service: string, line: string, seen: number) => boolean][] = [
  ['ZooKeeper starts', (name) => name === 'zookeeper'],
  ['Kafka is ready', (name, line) => name === 'kafka' && line.includes('Startup complete')],
  ['first message sent', (name, line) => name === 'kafka-producer' && line.startsWith('Sent')],
  [
    'a history of five',
    (name, line, seen) => name === 'kafka-producer' && line.startsWith('Sent') && seen === 5,
  ],
  ['first message received', (name, line) => name.startsWith('consumer') && line.startsWith('Received')],
];

export interface Start {
  where: 'in Docker' | 'without Docker';
  /** Seconds of each part; the last two: the whole start, and the stop. */
  parts: { part: string; seconds: Figure }[];
}

export interface ProcessStart {
  service: string;
  /** From the start of the process to its first line, in seconds. */
  seconds: Figure;
}

/** @param onMissing told why the start in Docker is left out, where it is */
export async function starts(lab: Lab, onMissing: (why: string) => void): Promise<Start[]> {
  const folder = copyProject();
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  symlinkSync(join(ROOT, 'local', 'jars'), join(folder, 'local', 'jars'));
  // Older than the packages that were installed for it: the script need not install them.
  utimesSync(join(folder, 'package-lock.json'), 0, 0);
  // A project of its own: the volumes of the user's demo stay as they are.
  const environment = { COMPOSE_PROJECT_NAME: 'kafka-consumers-demo-bench', KAFKA_EXTERNAL_PORT: '19292' };
  const compose = (...args: string[]) =>
    spawnSync('docker', ['compose', ...args], {
      cwd: folder,
      env: { ...process.env, ...environment },
      encoding: 'utf8',
    });
  const runs = new Map<Start['where'], () => Promise<number[]>>();
  runs.set('without Docker', () => {
    rmSync(join(folder, 'local', 'data'), { recursive: true, force: true });
    return startAndStop(folder, { DOCKER_HOST: 'unix:///nonexistent.sock' });
  });
  const taken = spawnSync('docker', ['ps', '--all', '--format', '{{.Names}}'], { encoding: 'utf8' });
  if (taken.status !== 0) onMissing('no Docker Engine answers');
  else if (taken.stdout.split('\n').includes('zookeeper')) onMissing('a demo is there: docker compose down');
  else {
    compose('build');
    runs.set('in Docker', () => {
      compose('down', '--volumes');
      return startAndStop(folder, environment);
    });
  }
  const results = await inTurn(lab, 'start', runs);
  if (runs.has('in Docker')) compose('down', '--volumes', '--rmi', 'local');
  rmSync(folder, { recursive: true });
  const names = [...PARTS.map(([part]) => part), 'the whole start', 'the stop after Ctrl-C'];
  return [...results].map(([where, all]) => ({
    where: where as Start['where'],
    parts: names.map((part, n) => ({ part, seconds: figure(all.map((seconds) => seconds[n] as number)) })),
  }));
}

async function startAndStop(folder: string, environment: Record<string, string>): Promise<number[]> {
  const begin = performance.now();
  const child = spawn(join(folder, 'buildAndRun.sh'), [], {
    env: { ...process.env, NO_COLOR: '1', ...environment },
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  const exit = once(child, 'exit');
  const times: number[] = [];
  let sent = 0;
  await new Promise<void>((resolve, reject) => {
    exit.then(([code]) => reject(new Error(`buildAndRun.sh ended with exit code ${code}`)));
    createInterface(child.stdout).on('line', (text) => {
      const [, name = '', line = ''] = /^(\S+) +\| (.*)$/.exec(text) ?? [];
      if (line.startsWith('Sent')) sent++;
      while (PARTS[times.length]?.[1](name, line, sent)) times.push(performance.now());
      if (times.length === PARTS.length) resolve();
    });
  });
  const stopping = performance.now();
  process.kill(-(child.pid as number), 'SIGINT');
  await exit;
  const seconds = (from: number, to: number) => Math.round(to - from) / 1000;
  return [
    ...times.map((time, n) => seconds(times[n - 1] ?? begin, time)),
    seconds(begin, times.at(-1) as number),
    seconds(stopping, performance.now()),
  ];
}

export async function processStarts(lab: Lab): Promise<ProcessStart[]> {
  const topic = await createTopic(lab);
  const environment = { KAFKA_BROKERS: lab.broker.brokers, KAFKA_TOPIC: topic };
  const runs = new Map(
    [
      ['kafka-producer', 'producer/producer'],
      ['consumer_from_oldest', 'consumers/consumer_fromOldest'],
      ['consumer_from_newest', 'consumers/consumer_fromNewest'],
      ['consumer_batch_message', 'consumers/consumer_batchMessage'],
    ].map(([name, entrypoint]) => [
      name as string,
      async () => {
        const begin = performance.now();
        const child: ChildProcess = start(service(entrypoint as string), environment);
        await once(child.stdout as NodeJS.ReadableStream, 'data');
        const took = performance.now() - begin;
        await stop(child);
        return Math.round(took) / 1000;
      },
    ]),
  );
  const results = await inTurn(lab, 'process start', runs);
  return [...results].map(([name, seconds]) => ({ service: name, seconds: figure(seconds) }));
}

/** How long the demo takes from the command to the first message, in parts, and how long to stop. */
import { spawnSync } from 'node:child_process';
import { rmSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buildAndRun, copyProject } from '../harness/compose';
import { figure, inTurn } from './lab';
import type { Lab, Start } from './types';

const ROOT = join(__dirname, '..');

/** The parts of the start, in their order, each with the line that ends it; `sent` counts the producer's lines. */
const PARTS: [string, (service: string, line: string, sent: number) => boolean][] = [
  ['ZooKeeper starts', (service) => service === 'zookeeper'],
  ['Kafka is ready', (service, line) => service === 'kafka' && line.includes('Startup complete')],
  ['first message sent', (_, __, sent) => sent === 1],
  ['a history of five', (_, __, sent) => sent === 5],
  [
    'first message received',
    (service, line) => service.startsWith('consumer') && line.startsWith('Received'),
  ],
];

export async function starts(lab: Lab): Promise<Start[]> {
  const folder = copyProject();
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  symlinkSync(join(ROOT, 'local', 'jars'), join(folder, 'local', 'jars'));
  // Older than the packages that were installed for it: the script need not install them.
  utimesSync(join(folder, 'package-lock.json'), 0, 0);
  // A project of its own: the volumes of the user's demo stay as they are.
  const settings = { COMPOSE_PROJECT_NAME: 'kafka-consumers-demo-bench', KAFKA_EXTERNAL_PORT: '19292' };
  const docker = (...args: string[]) =>
    spawnSync('docker', args, { cwd: folder, env: { ...process.env, ...settings }, encoding: 'utf8' });
  const runs: { row: Pick<Start, 'where'>; measure: () => Promise<number[]> }[] = [];
  const containers = docker('ps', '--all', '--format', '{{.Names}}');
  if (containers.status !== 0) lab.missing.push('the start in Docker: no engine answers');
  else if (containers.stdout.split('\n').includes('zookeeper'))
    lab.missing.push('the start in Docker: the demo is there; docker compose down');
  else {
    docker('compose', 'build');
    const measure = () => {
      docker('compose', 'down', '--volumes');
      return startAndStop(folder, settings);
    };
    runs.push({ row: { where: 'in Docker' }, measure });
  }
  const measure = () => {
    rmSync(join(folder, 'local', 'data'), { recursive: true, force: true });
    return startAndStop(folder, { DOCKER_HOST: 'unix:///nonexistent.sock' });
  };
  runs.push({ row: { where: 'without Docker' }, measure });
  const measured = await inTurn(lab, 'start, seconds', runs);
  if (runs.length > 1) docker('compose', 'down', '--volumes', '--rmi', 'local');
  rmSync(folder, { recursive: true });
  const names = [...PARTS.map(([part]) => part), 'the whole start', 'the stop after Ctrl-C'];
  return measured.flatMap(({ row, results }) =>
    names.map((part, index) => ({ ...row, part, seconds: figure(results.map((of) => of[index] as number)) })),
  );
}

/** Seconds of each part, then of the whole start and of the stop. */
async function startAndStop(folder: string, settings: Record<string, string>): Promise<number[]> {
  const begin = performance.now();
  const stack = buildAndRun(folder, [], settings);
  const times: number[] = [];
  let sent = 0;
  await new Promise<void>((resolve, reject) => {
    stack.exit.then(({ code }) =>
      reject(new Error(`buildAndRun.sh ended with exit code ${code}: ${stack.errors.join(' ')}`)),
    );
    createInterface(stack.child.stdout as NodeJS.ReadableStream).on('line', (text) => {
      const [, service = '', line = ''] = /^(\S+) +\| (.*)$/.exec(text) ?? [];
      if (service === 'kafka-producer' && line.startsWith('Sent')) sent++;
      while (PARTS[times.length]?.[1](service, line, sent)) times.push(performance.now());
      if (times.length === PARTS.length) resolve();
    });
  });
  const stopping = performance.now();
  await stack.pressCtrlC();
  const seconds = (from: number, to: number) => Math.round(to - from) / 1000;
  return [
    ...times.map((time, index) => seconds(times[index - 1] ?? begin, time)),
    seconds(begin, times.at(-1) as number),
    seconds(stopping, performance.now()),
  ];
}

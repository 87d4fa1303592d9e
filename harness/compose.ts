/** The Compose stack as a user has it: a copy of the project, its scripts, its containers. */
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { lineOf } from './log';
import { Recorded, until } from './service';

const ROOT = join(__dirname, '..');

export const OUR_SERVICES = [
  'kafka-producer',
  'consumer_from_oldest',
  'consumer_from_newest',
  'consumer_batch_message',
] as const;

/** The demo without Docker, but for Kafka's jars and data. */
export const LOCAL_FILES = [
  'compiled.js',
  ...readdirSync(join(ROOT, 'local'))
    .filter((name) => /^docker$|\.(ts|xml|properties)$/.test(name))
    .map((name) => `local/${name}`),
];

/** Copies what git knows of the project, for a test to edit. Gives the folder. */
export function copyProject(): string {
  const copy = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));
  const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  for (const file of files.trim().split('\n'))
    cpSync(join(ROOT, file), join(copy, file), { recursive: true });
  return copy;
}

/** Runs ./buildAndRun.sh of the folder, in a process group of its own. */
export function buildAndRun(
  folder: string,
  args: string[] = [],
  settings: Record<string, string> = {},
): Stack {
  const child = spawn(join(folder, 'buildAndRun.sh'), args, {
    cwd: dirname(folder),
    env: { ...process.env, NO_COLOR: '1', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  return new Stack(child);
}

export class Stack extends Recorded {
  /** What the service has printed: Compose passes each stream on as what it was. */
  of(service: string): string[] {
    return [...this.lines, ...this.errors].flatMap((line) => lineOf(service, line) ?? []);
  }

  override end(): string {
    return `${super.end()}\nIts containers:\n${docker('ps', '--all', '--format', '{{.Names}}: {{.Status}}')}`;
  }

  /** As a terminal does it: to the whole process group. Gives the exit code. */
  async pressCtrlC(): Promise<number | null> {
    process.kill(-(this.child.pid as number), 'SIGINT');
    return (await this.exit).code;
  }
}

export function docker(...args: string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

export function compose(folder: string, ...args: string[]): string {
  try {
    return docker('compose', '--project-directory', folder, ...args);
  } catch (error) {
    if (!args.includes('down') || !isLeftByMistake(error as Error)) throw error;
    console.error((error as Error).message.trim().split('\n').at(-1));
    return '';
  }
}

const isEmpty = (object: object) => Object.keys(object).length === 0;

/**
 * Whether `down` has failed for a network alone that nobody is in: Docker Engine 20.10 may count an endpoint that is gone
 * (https://github.com/moby/moby/issues/42119), and keeps the network then. All else is taken away, and the next `up` uses it.
 */
export function isLeftByMistake({ message }: Error): boolean {
  const networks = [...message.matchAll(/failed to remove network (\S+): .* has active endpoints/g)];
  try {
    return networks.length > 0 && networks.every(([, name = '']) => isEmpty(inspect(name).Containers));
  } catch {
    // It has gone meanwhile.
    return false;
  }
}

/** Starts it in the background; resolves when each of its consumers is at work. */
export async function startDemo(folder: string, args: string[] = []): Promise<void> {
  const start = buildAndRun(folder, ['-d', ...args]);
  const { code } = await start.exit;
  if (code !== 0)
    throw new Error(`./buildAndRun.sh -d ended with exit code ${code}: ${start.errors.join('\n')}`);
  for (const consumer of OUR_SERVICES.slice(1))
    await until(`${consumer} at work`, () => compose(folder, 'logs', consumer).includes('Received: '));
}

/** Takes the demo away with its data, and what ran beside it under names of its own. */
export function removeDemo(folder: string): void {
  const filter = 'label=com.docker.compose.project=kafka-consumers-demo';
  const ids = docker('ps', '--all', '--quiet', '--filter', filter).split('\n');
  try {
    if (ids[0]) docker('rm', '--force', '--volumes', ...ids);
  } catch {
    // One that removes itself as it ends may be about it. What is left, the next command removes.
  }
  compose(folder, 'down', '--volumes', '--remove-orphans');
  // The data of its three brokers is in volumes of their own.
  const files = ['docker-compose.yml', 'docker-compose.cluster.yml'].flatMap((name) => [
    '-f',
    join(folder, name),
  ]);
  compose(folder, ...files, 'down', '--volumes');
}

// biome-ignore lint/suspicious/noExplicitAny: the answer of Docker, of which each test reads a few fields.
export function inspect(container: string): any {
  return JSON.parse(docker('inspect', container))[0];
}

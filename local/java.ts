/** Kafka's programs on this machine, without Docker: fetched once, started as children, kept running, asked. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** The last line of Kafka that runs with ZooKeeper, and the one that needs none. */
export type KafkaLine = 'kafka-3' | 'kafka-4';

const JARS: Record<KafkaLine, string> = {
  'kafka-3': join(__dirname, 'jars'),
  'kafka-4': join(__dirname, 'jars-4'),
};

/** Kafka has this long, in ms, to stop by itself; one that is stopped while it starts may hang. */
const STOP_GRACE_MS = 15_000;
const START_TIMEOUT_MS = 120_000;

/** What runs of Kafka: it ends with us, however we end, for it is in no process group that is ended with ours. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const { LC_ALL, LC_CTYPE, LANG } = process.env;
/** Where the locale is none of UTF-8, Java and ps take a path that is not ASCII for another. */
export const IN_UTF_8 = /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '')
  ? process.env
  : { ...process.env, LC_ALL: 'C.UTF-8' };

export type Properties = Record<string, string | number | boolean>;

/**
 * Fetches Kafka's jars into a folder of local/, unless they are there; Maven shows its progress.
 *
 * @param stopping breaks it off
 * @throws Error of one line where Java or Maven is missing, or the download failed
 */
export async function fetchKafka(line: KafkaLine = 'kafka-3', stopping?: AbortSignal): Promise<void> {
  await requireCommand('java', ['-version'], 'install Java 17, say the package openjdk-17-jre-headless');
  const jars = JARS[line];
  if (existsSync(jars)) return;
  await requireCommand('mvn', ['-version'], 'install Maven 3.8 or newer, say the package maven');
  if (stopping?.aborted) return;
  // Into a folder of this process first: whoever looks at the other one sees all jars or none.
  const folder = `${jars}-${process.pid}`;
  const goal = ['-P', line, 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`];
  // A process group of its own, as all that is started here.
  const maven = spawn('mvn', ['-B', '-f', join(__dirname, 'pom.xml'), ...goal], {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  const kill = () => maven.kill();
  stopping?.addEventListener('abort', kill);
  const [code] = await once(maven, 'exit');
  stopping?.removeEventListener('abort', kill);
  if (code === 0 && !existsSync(jars)) renameSync(folder, jars);
  rmSync(folder, { recursive: true, force: true });
  if (code !== 0)
    throw new Error(`Maven ended with exit code ${code}: Kafka could not be fetched; see its lines above`);
}

/** What java is to be told for all of Kafka's programs: they are short, or wait most of the time. */
export function javaFlags(line: KafkaLine): string[] {
  const archive = archiveOf(line);
  return [
    '-XX:TieredStopAtLevel=1',
    '-XX:+UseSerialGC',
    // One of another Java is passed over, without a word.
    ...(existsSync(archive) ? [`-XX:SharedArchiveFile=${archive}`, '-Xlog:disable'] : []),
    '-cp',
    // By the name that the archive knows them by, whatever links lead to them.
    join(realpathSync(JARS[line]), '*'),
  ];
}

/** Where their classes are kept as archive.ts makes it; it may not be there. */
export function archiveOf(line: KafkaLine): string {
  return join(JARS[line], 'classes.jsa');
}

/**
 * Starts a program of Kafka's.
 *
 * @param flags of java itself: the size of its heap, the file of its log
 * @param command the class, and its arguments
 */
export function java(
  line: KafkaLine,
  flags: string[],
  command: string[],
  onLine: (line: string) => void,
): ChildProcess {
  // A process group of its own: a terminal's Ctrl-C reaches only us, and we stop the services in order.
  const child = spawn('java', [...javaFlags(line), ...flags, ...command], {
    env: IN_UTF_8,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', onLine);
  return child;
}

/** One program and the wish to have it run: starts it until it answers, and again when it ends by itself. */
export class Keeper {
  private child: ChildProcess | undefined;
  private wanted = false;

  /**
   * @param restart start it anew when it ends by itself, as the restart policy of docker-compose.yml does
   * @param mayBegin resolves when it may be launched
   */
  constructor(
    private readonly launch: () => ChildProcess,
    private readonly isReady: () => Promise<boolean>,
    private readonly restart = false,
    private readonly mayBegin: () => Promise<void> = async () => undefined,
  ) {}

  /** Resolves when it answers, or is no longer wanted. */
  async start(): Promise<void> {
    this.wanted = true;
    const end = Date.now() + START_TIMEOUT_MS;
    while (this.wanted && Date.now() < end) {
      await this.run();
      if (await this.isReady()) return;
      await sleep(100);
    }
    if (this.wanted) throw new Error(`No answer within ${START_TIMEOUT_MS / 1000} s; see the lines above`);
  }

  /** Resolves when the process has gone: a frozen one, too. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.wanted = false;
    const child = this.child;
    if (!child || !this.isRunning()) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    child.kill('SIGCONT');
    const last = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
    await gone;
    clearTimeout(last);
  }

  /** From now on it does nothing, and answers nobody. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  /** It goes on where it was. */
  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  get pid(): number {
    return this.child?.pid as number;
  }

  private isRunning(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Launches it, unless it runs, or is no longer wanted once it may begin. */
  private async run(): Promise<void> {
    if (this.isRunning()) return;
    await this.mayBegin();
    if (!this.wanted || this.isRunning()) return;
    this.child = this.launch();
    this.child.once('exit', async () => {
      await sleep(500);
      if (this.wanted && this.restart) await this.run();
    });
  }
}

// Metadata (3), version 0, correlation 0, client "probe", all topics: the answer names the brokers. A listening
// port alone would not do: it is open before Kafka serves.
export const METADATA_REQUEST = Buffer.from('\0\0\0\x13\0\x03\0\0\0\0\0\0\0\x05probe\0\0\0\0', 'latin1');

/**
 * Whether a service on this machine answers the request with something that holds the text.
 *
 * @param patienceMs within so long
 */
export function answers(port: number, request: Buffer, text: string, patienceMs = 1000): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    let answer = '';
    socket.setTimeout(patienceMs, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(false));
    socket.on('data', (data) => {
      answer += data.toString('latin1');
      if (!answer.includes(text)) return;
      // The rest of the answer is let come: one that is cut off ZooKeeper has as an error in its log.
      socket.end();
      resolve(true);
    });
  });
}

/** Writes a file of properties, in which Java takes a byte for a character, and gives its path. */
export function configure(path: string, properties: Properties): string {
  mkdirSync(dirname(path), { recursive: true });
  const ascii = (text: string) =>
    text.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${ascii(String(value))}\n`);
  writeFileSync(path, lines.join(''));
  return path;
}

async function requireCommand(command: string, args: string[], remedy: string): Promise<void> {
  const child = spawn(command, args, { stdio: 'ignore' });
  const found = await Promise.race([
    once(child, 'error').then(() => false),
    once(child, 'exit').then(([code]) => code === 0),
  ]);
  if (!found) throw new Error(`${command} is not on this machine: ${remedy}`);
}

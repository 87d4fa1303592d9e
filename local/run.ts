/**
 * The demo without Docker: the services of docker-compose.yml as processes, in the same order, with the same
 * prefixes; with --cluster, those of docker-compose.cluster.yml. Ctrl-C stops our services, then Kafka, then ZooKeeper.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Environment, readEnvironment } from '../lib/settings/settings';
import { startBroker } from './broker';
import { BROKER_IDS, serviceName, startCluster } from './cluster';
import { Containers } from './containers';
import { fetchKafka, IN_UTF_8 } from './java';
import { BROKER_PORTS, choosePorts } from './ports';
import { Service, type ServiceName } from './service';

const DATA = join(__dirname, 'data');

/** As the producer's health check in docker-compose.yml: so many messages are a history. */
const HISTORY = 5;

const CONSUMERS = ['consumer_from_oldest', 'consumer_from_newest', 'consumer_batch_message'] as const;

// Compose gives each service the next of these, and pads the names to the longest.
const COLOURS = [36, 33, 32, 35, 34, 96, 93, 92, 95];
const NAMES = ['zookeeper', 'kafka', 'kafka-producer', ...CONSUMERS, 'live_view', 'kafka-2', 'kafka-3'];
const WIDTH = Math.max(...NAMES.map((name) => name.length));
const COLOURED = process.stdout.isTTY && !process.env.NO_COLOR;

const containers = new Containers();
/** What ends Kafka, once it has begun to start. */
let kafka: { stop(): Promise<void>; kill(): Promise<void> } | undefined;
let fetching: Promise<void> | undefined;
const stopping = new AbortController();
/** The exit code to come, once the end has begun. */
let ending: number | undefined;

run().catch((error) => {
  // What the end breaks off fails, and is no news.
  if (ending === undefined) void end(1, error instanceof Error ? error.message : String(error));
});

async function run(): Promise<void> {
  process.on('SIGINT', () => end(130));
  process.on('SIGTERM', () => end(143));
  // Whoever read the lines has gone (`… | head`, a terminal that was closed). That may be said more than once, and is
  // no wish to force anything.
  const endOnce = (code: number) => ending === undefined && void end(code);
  process.on('SIGHUP', () => endOnce(129));
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => endOnce(1));
  const { view, cluster } = options(process.argv.slice(2));
  await claim();
  const brokers = BROKER_PORTS.slice(0, cluster ? 3 : 1);
  const ports = await choosePorts([...brokers, ...(view ? ['VIEW_PORT' as const] : [])], readEnvironment());
  const brokerPorts = ports.slice(0, brokers.length);
  console.log(`Kafka: ${brokerPorts.map((port) => `localhost:${port}`).join(',')}`);
  fetching = fetchKafka(cluster ? 'kafka-4' : 'kafka-3', stopping.signal);
  await fetching;
  containers.wiring = await (cluster ? startThree(brokerPorts) : startOne(brokerPorts[0]));
  if (ending !== undefined) return;
  containers.listen();
  if (view) start('live_view');
  await startProducer();
  if (ending !== undefined) return;
  for (const consumer of CONSUMERS) start(consumer);
}

/** @throws Error of one line where an argument is none of ours */
function options(args: string[]): { view: boolean; cluster: boolean } {
  const [foreign] = args.filter((argument) => !['--view', '--cluster'].includes(argument));
  if (foreign) throw new Error(`${foreign} is an argument for Docker Compose: without Docker, leave it out`);
  return { view: args.includes('--view'), cluster: args.includes('--cluster') };
}

const KEPT = {
  restartOnFailure: true,
  onLine: show,
  onLaunch: (ends: typeof kafka) => {
    kafka = ends;
  },
};

/** One broker, with ZooKeeper; gives what our services are to know of it. */
async function startOne(port?: number): Promise<Environment> {
  const broker = await startBroker({ ...KEPT, dataDir: DATA, port });
  containers.add('kafka', {
    isRunning: true,
    start: () => broker.startKafka(),
    stop: (signal) => broker.stopKafka(signal),
  });
  return { KAFKA_BROKERS: broker.brokers };
}

/** Three brokers; gives what our services are to know of them. */
async function startThree(ports: number[]): Promise<Environment> {
  const { brokers, broker } = await startCluster({ ...KEPT, dataDir: join(DATA, 'cluster'), ports });
  for (const id of BROKER_IDS) containers.add(serviceName(id), { isRunning: true, ...broker[id] });
  // As docker-compose.cluster.yml: over the Dockerfiles' 1, not over the shell's or .env's.
  return { KAFKA_BROKERS: brokers, TOPIC_PARTITIONS: readEnvironment().TOPIC_PARTITIONS ?? '6' };
}

/** Resolves once there is a history. */
function startProducer(): Promise<void> {
  return new Promise((resolve) => {
    let sent = 0;
    const onLine = (line: string) => {
      if (line.startsWith('Sent: ') && ++sent === HISTORY) resolve();
    };
    start('kafka-producer', onLine, (code) => {
      if (sent < HISTORY && code !== 0) void end(1);
    });
  });
}

function start(
  name: ServiceName,
  onLine: (line: string) => void = () => {},
  onExit: (code: number | null) => void = () => {},
): void {
  const service = new Service(
    name,
    containers.wiring,
    (line) => {
      show(name, line);
      onLine(line);
    },
    (code) => {
      console.log(`${name} exited with code ${code}`);
      onExit(code);
    },
  );
  containers.add(name, service).start();
}

/** Stops everything, clients first, and exits; a second call kills what is left. */
async function end(code: number, reason?: string): Promise<void> {
  if (reason) console.error(reason);
  if (ending !== undefined) {
    await Promise.all([containers.stopServices('SIGKILL'), kafka?.kill()]);
    process.exit(1);
  }
  ending = code;
  stopping.abort();
  await fetching?.catch(() => undefined);
  await containers.stopServices('SIGTERM');
  await kafka?.stop();
  process.exit(code);
}

/** Two Kafkas on the same data would ruin it. What a runner that was killed has left behind, nobody else ends. */
async function claim(): Promise<void> {
  mkdirSync(DATA, { recursive: true });
  const file = join(DATA, 'runner.pid');
  const other = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  const isRunner = ({ pid, command }: Process) => pid === other && command.includes('local/run.ts');
  if (other !== process.pid && processes().some(isRunner))
    throw new Error(`The demo runs here already (process ${other}): stop it first`);
  writeFileSync(file, `${process.pid}\n`);
  // Of java's arguments one is a file in there.
  const leftBehind = () =>
    processes().filter(({ command }) => /^java /.test(command) && command.includes(`${DATA}/`));
  for (let left = leftBehind(); left.length > 0; left = leftBehind()) {
    spawnSync('kill', ['-KILL', ...left.map(({ pid }) => String(pid))]);
    await sleep(50);
  }
}

interface Process {
  pid: number;
  command: string;
}

/** None where there is no `ps`. */
function processes(): Process[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=', '-o', 'command='], {
    encoding: 'utf8',
    env: IN_UTF_8,
  });
  return (stdout ?? '').split('\n').map((line) => {
    const [, pid, command = ''] = /^ *(\d+) (.*)$/.exec(line) ?? [];
    return { pid: Number(pid), command };
  });
}

function show(name: string, line: string): void {
  containers.keep(name, line);
  const prefix = `${name.padEnd(WIDTH)}  | `;
  console.log(COLOURED ? `\u001b[${COLOURS[NAMES.indexOf(name)]}m${prefix}\u001b[0m${line}` : prefix + line);
}

/**
 * A real ZooKeeper and a real Kafka on this machine, without Docker: fetched once from Maven Central, started
 * as children on free ports. The demo without Docker and the tests run on it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const JARS = join(__dirname, 'jars');

/** Kafka has this long, in ms, to stop by itself; one that is stopped while it starts may hang. */
const STOP_GRACE_MS = 15_000;
const START_TIMEOUT_MS = 60_000;

export interface BrokerOptions {
  /** Where ZooKeeper and Kafka keep their data; made where missing, and never removed. */
  dataDir: string;
  /** Kafka's port; a free one where not given. */
  port?: number;
  /** The port that clients are told to dial, where it is not Kafka's own: a proxy's. */
  advertisedPort?: number;
  /** Kafka's own, over those of the demo. */
  properties?: Record<string, string | number | boolean>;
  onLine?: (service: 'zookeeper' | 'kafka', line: string) => void;
  /** Called before anything is started, with the means to end what then is: a start can be broken off. */
  onLaunch?: (ends: Pick<Broker, 'stop' | 'kill'>) => void;
  /** Start what ends by itself anew, as the restart policy of docker-compose.yml does. */
  restartOnFailure?: boolean;
}

export interface Broker {
  /** host:port for KAFKA_BROKERS: the advertised one. */
  brokers: string;
  /** Kafka's own port, the same over restarts. */
  port: number;
  /** The ids of the two processes. */
  readonly pids: { zookeeper: number; kafka: number };
  /** Resolves when Kafka answers requests. */
  startKafka(): Promise<void>;
  /** Resolves when the process has gone. */
  stopKafka(signal?: NodeJS.Signals): Promise<void>;
  /** Kafka, then ZooKeeper. */
  stop(): Promise<void>;
  /** Both, at once and without a goodbye. */
  kill(): Promise<void>;
}

/**
 * Fetches Kafka's jars into local/jars, unless they are there; Maven shows its progress.
 *
 * @param stopping breaks it off
 * @throws Error of one line where Java or Maven is missing, or the download failed
 */
export async function fetchKafka(stopping?: AbortSignal): Promise<void> {
  await requireCommand('java', ['-version'], 'install Java 17, say the package openjdk-17-jre-headless');
  if (existsSync(JARS)) return;
  await requireCommand('mvn', ['-version'], 'install Maven 3.8 or newer, say the package maven');
  if (stopping?.aborted) return;
  // Into a folder of this process first: whoever looks at JARS sees all jars or none.
  const folder = `${JARS}-${process.pid}`;
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${folder}`];
  // A process group of its own, as all that is started here.
  const maven = spawn('mvn', ['-B', '-f', join(__dirname, 'pom.xml'), ...goal], {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  const kill = () => maven.kill();
  stopping?.addEventListener('abort', kill);
  const [code] = await once(maven, 'exit');
  stopping?.removeEventListener('abort', kill);
  if (code === 0 && !existsSync(JARS)) renameSync(folder, JARS);
  rmSync(folder, { recursive: true, force: true });
  if (code !== 0)
    throw new Error(`Maven ended with exit code ${code}: Kafka could not be fetched; see its lines above`);
}

/** Starts ZooKeeper, then Kafka; resolves when both answer. The jars must be there (fetchKafka). */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const dataDir = options.dataDir;
  const port = options.port ?? (await freePort());
  const zookeeperPort = await freePort();
  const advertisedPort = options.advertisedPort ?? port;
  mkdirSync(dataDir, { recursive: true });
  const logging = configure(dataDir, 'log4j.properties', {
    'log4j.rootLogger': 'WARN, stdout',
    // Who joined and left a group, and why it was rebalanced, is part of the lesson.
    'log4j.logger.kafka.coordinator.group.GroupCoordinator': 'INFO',
    // A controller calls its own broker before that one listens; the stack trace is no trouble's.
    'log4j.logger.kafka.controller': 'ERROR',
    'log4j.logger.org.apache.kafka.clients.NetworkClient': 'ERROR',
    'log4j.appender.stdout': 'org.apache.log4j.ConsoleAppender',
    'log4j.appender.stdout.layout': 'org.apache.log4j.PatternLayout',
    'log4j.appender.stdout.layout.ConversionPattern': '[%d] %p %m (%c)%n',
  });
  const zookeeperConfig = configure(dataDir, 'zookeeper.properties', {
    dataDir: join(dataDir, 'zookeeper'),
    clientPort: zookeeperPort,
    clientPortAddress: '127.0.0.1',
    tickTime: 2000,
    'admin.enableServer': false,
  });
  const advertised = String(
    options.properties?.['advertised.listeners'] ?? `PLAINTEXT://localhost:${advertisedPort}`,
  );
  const kafkaConfig = configure(dataDir, 'kafka.properties', {
    'broker.id': 1,
    'zookeeper.connect': `127.0.0.1:${zookeeperPort}`,
    // The broker that follows an unclean stop must wait for the end of this session.
    'zookeeper.session.timeout.ms': 6000,
    'log.dirs': join(dataDir, 'kafka'),
    listeners: `PLAINTEXT://127.0.0.1:${port}`,
    'advertised.listeners': advertised,
    'auto.create.topics.enable': false,
    'group.initial.rebalance.delay.ms': 0,
    'offsets.topic.num.partitions': 1,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    ...options.properties,
  });

  const java = (service: 'zookeeper' | 'kafka', memory: string, main: string, config: string) => {
    const flags = [
      `-Xmx${memory}`,
      '-XX:TieredStopAtLevel=1',
      '-XX:+UseSerialGC',
      `-Dlog4j.configuration=file:${logging}`,
    ];
    // A process group of its own: a terminal's Ctrl-C reaches only us, and we stop the services in order.
    const child = spawn('java', [...flags, '-cp', join(JARS, '*'), main, config], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (line) => options.onLine?.(service, line));
    }
    return child;
  };
  const zookeeper = new Keeper(
    () => java('zookeeper', '256m', 'org.apache.zookeeper.server.quorum.QuorumPeerMain', zookeeperConfig),
    () => answers(zookeeperPort, Buffer.from('srvr'), 'Mode'),
    options.restartOnFailure ?? false,
  );
  const kafka = new Keeper(
    () => java('kafka', '512m', 'kafka.Kafka', kafkaConfig),
    () => answers(port, METADATA_REQUEST, /(?<=\/\/)[^:]+/.exec(advertised)?.[0] ?? ''),
    options.restartOnFailure ?? false,
  );
  let over = false;
  const stop = async () => {
    over = true;
    await kafka.stop('SIGTERM');
    await zookeeper.stop('SIGTERM');
  };
  const kill = async () => {
    over = true;
    await Promise.all([kafka.stop('SIGKILL'), zookeeper.stop('SIGKILL')]);
  };
  options.onLaunch?.({ stop, kill });
  try {
    if (!(await isFree(port)))
      throw new Error(`Port ${port} is taken: stop what listens there, or choose another`);
    await zookeeper.start();
    if (!over) await kafka.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    brokers: `localhost:${advertisedPort}`,
    port,
    get pids() {
      return { zookeeper: zookeeper.pid, kafka: kafka.pid };
    },
    startKafka: () => kafka.start(),
    stopKafka: (signal = 'SIGTERM') => kafka.stop(signal),
    stop,
    kill,
  };
}

/** A port that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether nobody listens on the port of this machine. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  const free = await Promise.race([
    once(server, 'listening').then(() => true),
    once(server, 'error').then(() => false),
  ]);
  server.close();
  return free;
}

/** One program and the wish to have it run: starts it until it answers, and again when it ends by itself. */
class Keeper {
  private child: ChildProcess | undefined;
  private wanted = false;

  constructor(
    private readonly launch: () => ChildProcess,
    private readonly isReady: () => Promise<boolean>,
    private readonly restart: boolean,
  ) {}

  async start(): Promise<void> {
    this.wanted = true;
    const end = Date.now() + START_TIMEOUT_MS;
    while (this.wanted && Date.now() < end) {
      // A Kafka whose last session still lives in ZooKeeper ends at once (NodeExists): another try, then.
      if (!this.isRunning()) this.run();
      if (await this.isReady()) return;
      await sleep(100);
    }
    if (this.wanted) throw new Error(`No answer within ${START_TIMEOUT_MS / 1000} s; see the lines above`);
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    this.wanted = false;
    const child = this.child;
    if (!child || !this.isRunning()) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    const last = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
    await gone;
    clearTimeout(last);
  }

  get pid(): number {
    return this.child?.pid as number;
  }

  private isRunning(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  private run(): void {
    this.child = this.launch();
    this.child.once('exit', async () => {
      await sleep(500);
      if (this.wanted && this.restart && !this.isRunning()) this.run();
    });
  }
}

// Metadata (3), version 0, correlation 0, client "probe", all topics: the answer names the broker. A listening
// port alone would not do: it is open before Kafka serves.
const METADATA_REQUEST = Buffer.from('\0\0\0\x13\0\x03\0\0\0\0\0\0\0\x05probe\0\0\0\0', 'latin1');

/** Whether a service on this machine answers the request with something that holds the text, within a second. */
function answers(port: number, request: Buffer, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    let answer = '';
    const end = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(1000, () => end(false));
    socket.on('error', () => end(false));
    socket.on('close', () => end(false));
    socket.on('data', (data) => {
      answer += data.toString('latin1');
      if (answer.includes(text)) end(true);
    });
  });
}

function configure(
  folder: string,
  name: string,
  properties: Record<string, string | number | boolean>,
): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    Object.entries(properties)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
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

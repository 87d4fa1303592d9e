/** Three real brokers of Kafka 4 on this machine, without Docker and without ZooKeeper (KRaft). */
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../lib/settings/settings';
import { brokerEnvironment } from './environment';
import { answers, configure, java, Keeper, METADATA_REQUEST, type Properties } from './java';
import { freePort } from './ports';

export const BROKER_IDS = [1, 2, 3] as const;
export type BrokerId = (typeof BROKER_IDS)[number];

const LOGGING = join(__dirname, 'log4j2.properties');
const COMPOSE = join(__dirname, '..', 'docker-compose.cluster.yml');

export interface ClusterOptions {
  /** Where the brokers keep their data; made where missing, and never removed. */
  dataDir: string;
  /** The brokers' ports, in the order of their ids; a free one where not given. */
  ports?: (number | undefined)[];
  /** Of each broker, over those of the demo. */
  properties?: Properties;
  /** The service is named as in docker-compose.cluster.yml: kafka, kafka-2, kafka-3. */
  onLine?: (service: string, line: string) => void;
  /** Called before anything is started, with the means to end what then is: a start can be broken off. */
  onLaunch?: (ends: Pick<Cluster, 'stop' | 'kill'>) => void;
  /** Start a broker that ends by itself anew. */
  restartOnFailure?: boolean;
}

export interface ClusterBroker {
  id: BrokerId;
  /** The same over restarts. */
  port: number;
  /** Of its process. */
  readonly pid: number;
  /** Resolves when the controller counts it as alive, and it answers. */
  start(): Promise<void>;
  /** Resolves when the process has gone; SIGKILL is a death without a goodbye. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** From now on it does nothing, and answers nobody. */
  freeze(): void;
  /** It goes on where it was. */
  thaw(): void;
}

export interface Cluster {
  /** host:port of each broker, for KAFKA_BROKERS. */
  brokers: string;
  /** By id. */
  broker: Record<BrokerId, ClusterBroker>;
  stop(): Promise<void>;
  /** All, at once and without a goodbye. */
  kill(): Promise<void>;
}

/** Starts the three; resolves when each answers, and is counted as alive. The jars must be there (fetchKafka). */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { dataDir, onLine, restartOnFailure } = options;
  const ports = await Promise.all(BROKER_IDS.map((_, index) => options.ports?.[index] ?? freePort()));
  const controllers = await Promise.all(BROKER_IDS.map(freePort));
  const voters = BROKER_IDS.map((id, index) => `${id}@127.0.0.1:${controllers[index]}`).join(',');
  const environment = brokerEnvironment(readFileSync(COMPOSE, 'utf8'));
  const flags = [
    `-Dlog4j2.configurationFile=file:${LOGGING}`,
    ...(environment.KAFKA_HEAP_OPTS ?? '').split(' '),
  ];

  const brokers = BROKER_IDS.map((id, index) => {
    const port = ports[index] as number;
    const logs = join(dataDir, serviceName(id));
    const config = configure(join(dataDir, `${serviceName(id)}.properties`), {
      ...brokerProperties(environment),
      'node.id': id,
      'controller.quorum.voters': voters,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllers[index]}`,
      'advertised.listeners': `PLAINTEXT://localhost:${port}`,
      'log.dirs': logs,
      ...options.properties,
    });
    const keeper = new Keeper(
      () => java('kafka-4', flags, ['kafka.Kafka', config], (line) => onLine?.(serviceName(id), line)),
      () => answers(port, METADATA_REQUEST, nameInMetadata('localhost', port)),
      restartOnFailure,
    );
    return { id, port, logs, config, keeper };
  });
  const keepers = brokers.map(({ keeper }) => keeper);

  let over = false;
  let formatting: Promise<unknown> | undefined;
  const end = async (signal?: NodeJS.Signals) => {
    over = true;
    await Promise.allSettled([formatting, ...keepers.map((keeper) => keeper.stop(signal))]);
  };
  const stop = () => end();
  const kill = () => end('SIGKILL');
  options.onLaunch?.({ stop, kill });
  try {
    formatting = Promise.all(
      brokers.map(({ logs, config }) => makeDataFolder(logs, config, environment.CLUSTER_ID as string)),
    );
    await formatting;
    if (!over) await Promise.all(keepers.map((keeper) => keeper.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    brokers: ports.map((port) => `localhost:${port}`).join(','),
    broker: Object.fromEntries(brokers.map((one) => [one.id, ofKeeper(one)])) as Cluster['broker'],
    stop,
    kill,
  };
}

/** A broker of Kafka 4 does not start in a folder that is not made for its cluster. */
async function makeDataFolder(logs: string, config: string, clusterId: string): Promise<void> {
  if (existsSync(join(logs, 'meta.properties'))) return;
  const lines: string[] = [];
  const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', config];
  const [code] = await once(
    java('kafka-4', ['-Xmx128m'], format, (line) => lines.push(line)),
    'exit',
  );
  if (code !== 0) throw new Error(`Kafka could not make ${logs}: ${lines.at(-1)}`);
}

function ofKeeper({ id, port, keeper }: { id: BrokerId; port: number; keeper: Keeper }): ClusterBroker {
  return {
    id,
    port,
    get pid() {
      return keeper.pid;
    },
    start: () => keeper.start(),
    stop: (signal) => keeper.stop(signal),
    freeze: () => keeper.freeze(),
    thaw: () => keeper.thaw(),
  };
}

/** As docker-compose.cluster.yml calls the broker: the first as the only one of docker-compose.yml. */
export function serviceName(id: BrokerId): string {
  return id === 1 ? 'kafka' : `kafka-${id}`;
}

/** How a broker stands in an answer to METADATA_REQUEST: its host, and its port in four bytes. */
function nameInMetadata(host: string, port: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(port);
  return host + bytes.toString('latin1');
}

/** Of the settings of the image, those of Kafka itself: KAFKA_LOG_DIRS is log.dirs. */
function brokerProperties(environment: Environment): Properties {
  const names = Object.keys(environment).filter((name) => /^KAFKA_(?!HEAP|JVM|LOG4J)/.test(name));
  return Object.fromEntries(
    names.map((name) => [
      name.replace('KAFKA_', '').toLowerCase().replaceAll('_', '.'),
      environment[name] as string,
    ]),
  );
}

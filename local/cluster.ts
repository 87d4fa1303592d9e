/** Three real brokers of Kafka 4 on this machine, without Docker and without ZooKeeper (KRaft). */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  answers,
  configure,
  freePort,
  java,
  Keeper,
  METADATA_REQUEST,
  type Properties,
  requireFree,
} from './java';

export const BROKER_IDS = [1, 2, 3] as const;
export type BrokerId = (typeof BROKER_IDS)[number];

/** As in docker-compose.cluster.yml. */
const CLUSTER_ID = 'kafka-consumers-demo-A';

export interface ClusterOptions {
  /** Where the brokers keep their data; made where missing, and never removed. */
  dataDir: string;
  /** The brokers' ports, in the order of their ids; free ones where not given. */
  ports?: number[];
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

const LOGGING = {
  'appender.stdout.type': 'Console',
  'appender.stdout.name': 'stdout',
  'appender.stdout.layout.type': 'PatternLayout',
  'appender.stdout.layout.pattern': '[%d] %p %m (%c)%n',
  'rootLogger.level': 'WARN',
  'rootLogger.appenderRef.stdout.ref': 'stdout',
  // Who joined and left a group, and why it was rebalanced, is part of the lesson.
  ...logger('org.apache.kafka.coordinator.group.GroupMetadataManager', 'INFO'),
  ...logger('org.apache.kafka.clients.NetworkClient', 'ERROR'),
};

/** Starts the three; resolves when each answers, and is counted as alive. The jars must be there (fetchKafka). */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { dataDir, properties, onLine, restartOnFailure } = options;
  const ports = options.ports ?? (await Promise.all(BROKER_IDS.map(freePort)));
  const controllers = await Promise.all(BROKER_IDS.map(freePort));
  const voters = BROKER_IDS.map((id, index) => `${id}@127.0.0.1:${controllers[index]}`).join(',');
  const logging = `-Dlog4j2.configurationFile=file:${configure(join(dataDir, 'log4j2.properties'), LOGGING)}`;
  const launch = (id: BrokerId, memory: string, ...command: string[]) =>
    java('kafka-4', command, { memory, logging, onLine: (line) => onLine?.(serviceName(id), line) });

  const brokers = BROKER_IDS.map((id, index) => {
    const port = ports[index] as number;
    const logs = join(dataDir, serviceName(id));
    const config = configure(join(dataDir, `${serviceName(id)}.properties`), {
      'node.id': id,
      'process.roles': 'broker,controller',
      'controller.quorum.voters': voters,
      'controller.listener.names': 'CONTROLLER',
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllers[index]}`,
      'advertised.listeners': `PLAINTEXT://localhost:${port}`,
      'log.dirs': logs,
      'auto.create.topics.enable': false,
      // These as in docker-compose.cluster.yml, where the reasons are.
      'default.replication.factor': 3,
      'min.insync.replicas': 2,
      'offsets.topic.num.partitions': 3,
      'group.initial.rebalance.delay.ms': 0,
      'broker.session.timeout.ms': 3000,
      'broker.heartbeat.interval.ms': 500,
      ...properties,
    });
    const keeper = new Keeper(
      () => launch(id, '320m', 'kafka.Kafka', config),
      () => answers(port, METADATA_REQUEST, nameInMetadata('localhost', port)),
      restartOnFailure,
    );
    return { id, port, logs, config, keeper };
  });
  const keepers = brokers.map(({ keeper }) => keeper);

  let over = false;
  const end = async (signal?: NodeJS.Signals) => {
    over = true;
    await Promise.all(keepers.map((keeper) => keeper.stop(signal)));
  };
  const stop = () => end();
  const kill = () => end('SIGKILL');
  options.onLaunch?.({ stop, kill });
  try {
    await Promise.all(ports.map(requireFree));
    await Promise.all(
      brokers.map(async ({ id, logs, config }) => {
        if (existsSync(join(logs, 'meta.properties'))) return;
        const format = ['kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', config];
        const [code] = await once(launch(id, '128m', ...format), 'exit');
        if (code !== 0) throw new Error(`Broker ${id} could not make its data folder; see the lines above`);
      }),
    );
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

function logger(name: string, level: string): Properties {
  const key = name.slice(name.lastIndexOf('.') + 1);
  return { [`logger.${key}.name`]: name, [`logger.${key}.level`]: level };
}

/** A real ZooKeeper and a real Kafka on this machine, without Docker. The demo and the tests run on it. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { answers, configure, java, Keeper, METADATA_REQUEST, type Properties } from './java';
import { freePort } from './ports';

export { fetchKafka } from './java';
export { freePort } from './ports';

export interface BrokerOptions {
  /** Where ZooKeeper and Kafka keep their data; made where missing, and never removed. */
  dataDir: string;
  /** Kafka's port; a free one where not given. */
  port?: number;
  /** The port that clients are told to dial, where it is not Kafka's own: a proxy's. */
  advertisedPort?: number;
  /** Kafka's own, over those of the demo. */
  properties?: Properties;
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

/** A ZooKeeper that is busy is not to pass for one that knows of no broker: it has so long for its answer, in ms. */
const DUMP_MS = 30_000;

const LOGGING = {
  'log4j.rootLogger': 'WARN, stdout',
  // Who joined and left a group, and why it was rebalanced, is part of the lesson.
  'log4j.logger.kafka.coordinator.group.GroupCoordinator': 'INFO',
  // A controller calls its own broker before that one listens; the stack trace is no trouble's.
  'log4j.logger.kafka.controller': 'ERROR',
  'log4j.logger.org.apache.kafka.clients.NetworkClient': 'ERROR',
  'log4j.appender.stdout': 'org.apache.log4j.ConsoleAppender',
  'log4j.appender.stdout.layout': 'org.apache.log4j.PatternLayout',
  'log4j.appender.stdout.layout.ConversionPattern': '[%d] %p %m (%c)%n',
};

/** Starts ZooKeeper, then Kafka; resolves when both answer. The jars must be there (fetchKafka). */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { dataDir, restartOnFailure, onLine } = options;
  const port = options.port ?? (await freePort());
  const zookeeperPort = await freePort();
  const advertisedPort = options.advertisedPort ?? port;
  const advertised = String(
    options.properties?.['advertised.listeners'] ?? `PLAINTEXT://localhost:${advertisedPort}`,
  );
  const zookeeperConfig = configure(join(dataDir, 'zookeeper.properties'), {
    dataDir: join(dataDir, 'zookeeper'),
    clientPort: zookeeperPort,
    clientPortAddress: '127.0.0.1',
    tickTime: 2000,
    '4lw.commands.whitelist': 'srvr,dump',
    'admin.enableServer': false,
  });
  const kafkaConfig = configure(join(dataDir, 'kafka.properties'), {
    'broker.id': 1,
    'zookeeper.connect': `127.0.0.1:${zookeeperPort}`,
    // The broker that follows one that was killed waits for the end of its session.
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
  const logging = `-Dlog4j.configuration=file:${configure(join(dataDir, 'log4j.properties'), LOGGING)}`;
  const launch = (service: 'zookeeper' | 'kafka', memory: string, ...command: string[]) =>
    java('kafka-3', [`-Xmx${memory}`, logging], command, (line) => onLine?.(service, line));

  const zookeeper = new Keeper(
    () => launch('zookeeper', '256m', 'org.apache.zookeeper.server.quorum.QuorumPeerMain', zookeeperConfig),
    () => answers(zookeeperPort, Buffer.from('srvr'), 'Mode'),
    restartOnFailure,
  );
  // As the command of kafka in docker-compose.yml, which says why.
  const nameIsTaken = () => answers(zookeeperPort, Buffer.from('dump'), '/brokers/ids/1\n', DUMP_MS);
  const nameIsFree = async () => {
    if (!(await nameIsTaken())) return;
    onLine?.('kafka', 'Kafka was killed, and ZooKeeper has yet to notice: waiting for some seconds');
    while (await nameIsTaken()) await sleep(200);
  };
  const kafka = new Keeper(
    () => launch('kafka', '512m', 'kafka.Kafka', kafkaConfig),
    () => answers(port, METADATA_REQUEST, /(?<=\/\/)[^:]+/.exec(advertised)?.[0] ?? ''),
    restartOnFailure,
    nameIsFree,
  );
  let over = false;
  const stop = async () => {
    over = true;
    await kafka.stop();
    await zookeeper.stop();
  };
  const kill = async () => {
    over = true;
    await Promise.all([kafka.stop('SIGKILL'), zookeeper.stop('SIGKILL')]);
  };
  options.onLaunch?.({ stop, kill });
  try {
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
    stopKafka: (signal) => kafka.stop(signal),
    stop,
    kill,
  };
}

/** A real broker for a test file, or three, and another client's view of its topics and groups. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before } from 'node:test';
import { type Admin, ConfigResourceTypes, Kafka, logLevel, Partitioners, type Producer } from 'kafkajs';
import { killServices, until } from '../../harness/service';
import type { KafkaError } from '../../lib/client/errors';
import { type Broker, type BrokerOptions, startBroker } from '../../local/broker';
import { type BrokerId, type Cluster, startCluster } from '../../local/cluster';
import { fetchKafka, type Properties } from '../../local/java';
import { freePort } from '../../local/ports';
import { CuttingProxy } from './proxy';
import { sharedPort } from './shared_broker';
import { kafkaTool } from './tools';

// Told to end, it ends as it does by itself: with all that it has started.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

type Settings = { [name: string]: string };

const OFFSETS_TOPIC = '__consumer_offsets';

export interface Record {
  partition: number;
  offset: number;
  value: string | null;
}

/** What a test's own client does. */
export interface TestClient {
  admin: Admin;
  /** Another client than the services. */
  client: Kafka;
  /** A topic of its own for each test, with settings of its own. */
  createTopic(partitions?: number, settings?: Settings): Promise<string>;
  /** Sets these settings of the topic; all others are the broker's. */
  alterTopic(topic: string, settings: Settings): Promise<void>;
  /** Writes the values, in order, in one request; the partition is 0 where not given. */
  write(topic: string, values: (string | Buffer | null)[], partition?: number): Promise<void>;
  /** All that is in the topic, by partition and offset. */
  read(topic: string): Promise<Record[]>;
  /** The group's committed offset of the partition; -1 where it has none. */
  committed(groupId: string, topic: string, partition?: number): Promise<number>;
}

/** What a test sees of a broker that others use, too: it is not to be stopped. */
export interface SharedKafka extends TestClient {
  broker: Pick<Broker, 'brokers' | 'port'>;
}

/** What a test sees of Kafka. */
export interface TestKafka extends TestClient {
  broker: Broker;
  proxy?: CuttingProxy;
  /** Where ZooKeeper and Kafka keep their data. */
  dataDir: string;
}

/** What a test sees of three brokers. */
export interface TestCluster extends TestClient {
  /** Each broker by its id: to be stopped, killed, frozen, and started again. */
  cluster: Cluster;
  /** How often the coordinators say that these groups were rebalanced. */
  rebalances(groupIds: readonly string[]): number;
  /** The broker that leads the partition; undefined where none does. */
  leader(topic: string, partition?: number): Promise<BrokerId | undefined>;
  /** The broker that coordinates the group: who leads its partition of Kafka's own topic, once a group has joined. */
  coordinator(groupId: string): Promise<BrokerId | undefined>;
  /** The broker whose controller is the active one. Asks a tool of Kafka's, so it takes seconds. */
  controller(): Promise<BrokerId>;
}

/**
 * Starts a broker before the tests of a file, and ends it, and what they left running, after them.
 *
 * @param proxied clients, told to dial the proxy, reach the broker through it
 * @param admin with a client of the test's own: not where the broker can't be reached by its name
 * @param properties Kafka's own, over those of the demo
 */
export function useKafka({
  proxied = false,
  admin = true,
  properties,
}: {
  proxied?: boolean;
  admin?: boolean;
  properties?: Properties | ((port: number) => Promise<Properties | undefined>);
} = {}): TestKafka {
  const dataDir = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));
  const kafka = { broker: undefined as unknown as Broker, dataDir } as TestKafka;

  const disconnect = useClient(kafka, admin, 1, async () => {
    await fetchKafka();
    const port = await freePort();
    const options: BrokerOptions = {
      dataDir,
      port,
      properties: typeof properties === 'function' ? await properties(port) : properties,
    };
    if (proxied) {
      options.advertisedPort = await freePort();
      kafka.proxy = await CuttingProxy.start(options.advertisedPort, port);
    }
    kafka.broker = await startBroker(options);
    return `localhost:${kafka.broker.port}`;
  });
  after(async () => {
    await disconnect();
    await kafka.broker?.stop();
    await kafka.proxy?.stop();
    rmSync(dataDir, { recursive: true });
  });
  return kafka;
}

/** For files that change nothing of the broker: the one of all these, or, run by itself, one of its own. */
export function useSharedKafka(): SharedKafka {
  if (!process.send) return useKafka();
  const kafka = {} as SharedKafka;
  const disconnect = useClient(kafka, true, 1, async () => {
    const port = await sharedPort();
    kafka.broker = { brokers: `localhost:${port}`, port };
    return kafka.broker.brokers;
  });
  after(disconnect);
  return kafka;
}

/**
 * Starts three brokers before the tests of a file; after each test all three run again, and after the last one they
 * are ended.
 *
 * @param properties of each broker, over those of the demo
 */
export function useCluster({ properties }: { properties?: Properties } = {}): TestCluster {
  const dataDir = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));
  const kafka = {} as TestCluster;
  const lines: string[] = [];

  const disconnect = useClient(kafka, true, 3, async () => {
    await fetchKafka('kafka-4');
    const onLine = (service: string, line: string) => lines.push(`${service} | ${line}`);
    kafka.cluster = await startCluster({ dataDir, properties, onLine }).catch((error) => {
      throw new Error(`${error.message}\n${lines.slice(-30).join('\n')}`);
    });
    return kafka.cluster.brokers;
  });
  afterEach(async () => {
    const brokers = Object.values(kafka.cluster.broker);
    for (const broker of brokers) broker.thaw();
    await Promise.all(brokers.map((broker) => broker.start()));
  });
  after(async () => {
    await disconnect();
    await kafka.cluster?.kill();
    rmSync(dataDir, { recursive: true });
  });

  kafka.rebalances = (groupIds) =>
    lines.filter((line) => groupIds.some((group) => line.includes(`Preparing to rebalance group ${group} `)))
      .length;
  kafka.leader = async (topic, partition = 0) => {
    const { topics } = await kafka.admin.fetchTopicMetadata({ topics: [topic] });
    const id = topics[0]?.partitions.find((one) => one.partitionId === partition)?.leader;
    return id === -1 ? undefined : (id as BrokerId | undefined);
  };
  kafka.coordinator = async (groupId) => {
    const { topics } = await kafka.admin.fetchTopicMetadata({ topics: [OFFSETS_TOPIC] });
    // As Kafka does it: by the hash that Java gives the name.
    let hash = 0;
    for (const unit of groupId) hash = (31 * hash + unit.charCodeAt(0)) | 0;
    return kafka.leader(OFFSETS_TOPIC, Math.abs(hash) % (topics[0]?.partitions.length as number));
  };
  kafka.controller = async () => {
    const status = await kafkaTool('kafka-metadata-quorum', kafka.cluster.brokers, 'describe', '--status');
    return Number(/^LeaderId: +(\d)$/m.exec(status)?.[1]) as BrokerId;
  };
  return kafka;
}

/**
 * Gives the object a client, connected before the tests, once Kafka is started; the function that is given disconnects
 * it. What a test leaves running of the services is ended after it.
 *
 * @param replicationFactor of the topics that tests make
 * @param start starts Kafka, and gives its address
 */
function useClient(
  kafka: TestClient,
  connect: boolean,
  replicationFactor: number,
  start: () => Promise<string>,
): () => Promise<void> {
  let producer: Producer;
  before(async () => {
    kafka.client = new Kafka({
      brokers: (await start()).split(','),
      logLevel: logLevel.NOTHING,
      connectionTimeout: 30_000,
      requestTimeout: 60_000,
      retry: { retries: 20, maxRetryTime: 1000 },
    });
    kafka.admin = kafka.client.admin();
    producer = kafka.client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    if (!connect) return;
    await kafka.admin.connect();
    await producer.connect();
  });
  afterEach(killServices);

  kafka.createTopic = async (numPartitions = 1, settings = {}) => {
    const topic = `test-${randomUUID()}`;
    await until(`topic ${topic}`, async () => {
      try {
        await kafka.admin.createTopics({
          topics: [{ topic, numPartitions, replicationFactor, configEntries: entries(settings) }],
          waitForLeaders: true,
          timeout: 30_000,
        });
        return true;
      } catch (error) {
        // A broker that has only just started does not know the topics of the tests before, and at that kafkajs
        // gives up: it refreshes what it knows of all of them first.
        if ((error as KafkaError).type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
        return false;
      }
    });
    return topic;
  };
  kafka.alterTopic = async (name, settings) => {
    await kafka.admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name, configEntries: entries(settings) }],
    });
  };
  kafka.write = async (topic, values, partition = 0) => {
    await producer.send({ topic, messages: values.map((value) => ({ value, partition })) });
  };
  kafka.committed = async (groupId, topic, partition = 0) => {
    const [offsets] = await ofCoordinator(() => kafka.admin.fetchOffsets({ groupId, topics: [topic] }));
    return Number(offsets?.partitions.find((one) => one.partition === partition)?.offset ?? -1);
  };
  kafka.read = async (topic) => {
    const ends = await kafka.admin.fetchTopicOffsets(topic);
    const total = ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
    const records: Record[] = [];
    const consumer = kafka.client.consumer({ groupId: randomUUID(), maxWaitTimeInMs: 100 });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        records.push({ partition, offset: Number(message.offset), value: message.value?.toString() ?? null });
      },
    });
    await until(`${total} records of ${topic}`, () => records.length >= total);
    await consumer.disconnect();
    return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
  };
  return async () => {
    await kafka.admin?.disconnect();
    await producer?.disconnect();
  };
}

/** Asks again where the broker has only just become the coordinator, and is still reading its groups. */
export async function ofCoordinator<T>(ask: () => Promise<T>): Promise<T> {
  const { answer } = await until('the coordinator', async () => {
    try {
      return { answer: await ask() };
    } catch (error) {
      if (!/COORDINATOR|LOAD_IN_PROGRESS/.test((error as KafkaError).type ?? '')) throw error;
      return false;
    }
  });
  return answer;
}

const entries = (settings: Settings) => Object.entries(settings).map(([name, value]) => ({ name, value }));

/** Values as the producer makes them, each with a number of its own. */
export function messages(from: number, to: number): string[] {
  const values = [];
  for (let n = from; n < to; n++) values.push(JSON.stringify({ current_time: '2026-01-02 03:04:05', n }));
  return values;
}

/** A real broker for a test file, and another client's view of its topics and groups. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before } from 'node:test';
import { type Admin, ConfigResourceTypes, Kafka, logLevel, Partitioners, type Producer } from 'kafkajs';
import type { KafkaError } from '../../lib/kafka/errors';
import { type Broker, type BrokerOptions, fetchKafka, freePort, startBroker } from '../../local/broker';
import { CuttingProxy } from './proxy';
import { killServices, until } from './service';

type Properties = BrokerOptions['properties'];
type Settings = { [name: string]: string };

export interface Record {
  partition: number;
  offset: number;
  value: string | null;
}

/** What a test sees of Kafka. */
export interface TestKafka {
  broker: Broker;
  proxy?: CuttingProxy;
  admin: Admin;
  /** Where ZooKeeper and Kafka keep their data. */
  dataDir: string;
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
  properties?: Properties | ((port: number) => Promise<Properties>);
} = {}): TestKafka {
  const dataDir = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));
  const kafka = { broker: undefined as unknown as Broker, dataDir } as TestKafka;
  let producer: Producer;

  before(async () => {
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
    kafka.client = new Kafka({
      brokers: [`localhost:${kafka.broker.port}`],
      logLevel: logLevel.NOTHING,
      retry: { retries: 20, maxRetryTime: 1000 },
    });
    kafka.admin = kafka.client.admin();
    producer = kafka.client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    if (!admin) return;
    await kafka.admin.connect();
    await producer.connect();
  });
  afterEach(killServices);
  after(async () => {
    await kafka.admin?.disconnect();
    await producer?.disconnect();
    await kafka.broker?.stop();
    await kafka.proxy?.stop();
    rmSync(dataDir, { recursive: true });
  });

  kafka.createTopic = async (numPartitions = 1, settings = {}) => {
    const topic = `test-${randomUUID()}`;
    await until(`topic ${topic}`, async () => {
      try {
        await kafka.admin.createTopics({
          topics: [{ topic, numPartitions, replicationFactor: 1, configEntries: entries(settings) }],
          waitForLeaders: true,
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
    const [offsets] = await kafka.admin.fetchOffsets({ groupId, topics: [topic] });
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
  return kafka;
}

const entries = (settings: Settings) => Object.entries(settings).map(([name, value]) => ({ name, value }));

/** Values as the producer makes them, each with a number of its own. */
export function messages(from: number, to: number): string[] {
  const values = [];
  for (let n = from; n < to; n++) values.push(JSON.stringify({ current_time: '2026-01-02 03:04:05', n }));
  return values;
}

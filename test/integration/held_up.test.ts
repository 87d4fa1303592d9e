/** What holds a service up is said, once, in Kafka's words and with what to do; and it goes on when it is mended. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, test } from 'node:test';
import { offsets, range, sent } from '../../harness/log';
import { type Recorded, type ServiceName, startService } from '../../harness/service';
import { Cluster } from '../../lib/client/cluster';
import { Topic } from '../../lib/client/topic';
import { producerConfig } from '../../lib/settings/settings';
import { freePort } from '../../local/broker';
import { messages, type TestKafka, useKafka } from '../support/kafka';
import { kafkaTool } from '../support/tools';

const start = (name: ServiceName, kafka: TestKafka, topic: string, settings: Record<string, string> = {}) =>
  startService(name, { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, ...settings });

const heldUp = (service: Recorded) => service.lines.filter((line) => line.startsWith('Held up: '));
const goingOn = (service: Recorded) =>
  service.line('the end of it', (line) => /^Going on after \d+(\.\d)? (ms|s|min)$/.test(line));

describe('on a broker that is to have more replicas than there are brokers', () => {
  const kafka = useKafka({
    properties: { 'default.replication.factor': 3, 'offsets.topic.replication.factor': 3 },
  });

  test('a topic that cannot be made is said by each service, and once somebody has made it they go on', async () => {
    const topic = `test-${randomUUID()}`;
    const producer = start('kafka-producer', kafka, topic);
    const newest = start('consumer_from_newest', kafka, topic);
    for (const service of [producer, newest])
      await service.line('what holds it up', (line) =>
        line.startsWith('Held up: INVALID_REPLICATION_FACTOR: '),
      );
    assert.match(
      heldUp(producer)[0] as string,
      /start more brokers, lower TOPIC_REPLICAS, or without it default\.replication\.factor/,
    );
    await kafka.admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1 }] });
    await goingOn(producer);
    await producer.shows('messages', (lines) => sent(lines).length >= 3);
    assert.equal(heldUp(producer).length, 1);
    // The group's own topic is next.
    await newest.line('the coordinator', (line) =>
      line.startsWith('Held up: GROUP_COORDINATOR_NOT_AVAILABLE: '),
    );
    assert.match(heldUp(newest)[1] as string, /offsets\.topic\.replication\.factor/);
    assert.equal(await newest.stop(), 0);
    assert.equal(heldUp(newest).length, 2);
    assert.deepEqual([...producer.errors, ...newest.errors], []);
  });
});

describe('on a broker that makes no topic anew, and admits no session time-out of ours', () => {
  const kafka = useKafka({
    properties: { 'default.replication.factor': 3, 'group.max.session.timeout.ms': 9000 },
  });

  test('stopped while it is held up, the producer says the true reason for what is not sent', async () => {
    const topic = await kafka.createTopic();
    const producer = start('kafka-producer', kafka, topic);
    await producer.shows('a message', (lines) => sent(lines).length >= 1);
    await kafka.admin.deleteTopics({ topics: [topic] });
    await producer.line('what holds it up', (line) => line.startsWith('Held up: INVALID_REPLICATION_FACTOR'));
    assert.equal(await producer.stop(), 0);
    assert.match(
      producer.lines.at(-1) as string,
      /^Stopped with \d+ messages? not sent: (?!the broker is away)/,
    );
    assert.deepEqual(producer.errors, []);
  });

  test('a consumer says so, and which settings of the broker it are', async () => {
    const topic = await kafka.createTopic();
    const oldest = start('consumer_from_oldest', kafka, topic);
    const line = await oldest.line('what holds it up', (text) => text.startsWith('Held up: '));
    assert.match(line, /^Held up: INVALID_SESSION_TIMEOUT: .*10000 ms.*group\.max\.session\.timeout\.ms/);
    assert.equal(await oldest.stop(), 0);
    assert.equal(heldUp(oldest).length, 1);
  });
});

describe('on a broker whose advertised name cannot be reached', () => {
  let own: number;
  const kafka = useKafka({
    admin: false,
    properties: async (port) => {
      // It must reach itself all the same.
      own = await freePort();
      return {
        listeners: `PLAINTEXT://127.0.0.1:${port},OWN://127.0.0.1:${own}`,
        'advertised.listeners': `PLAINTEXT://nowhere.invalid:9092,OWN://localhost:${own}`,
        'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,OWN:PLAINTEXT',
        'inter.broker.listener.name': 'OWN',
      };
    },
  });

  test('each service says in one line who was asked, what it answered, and what to change', async () => {
    const config = producerConfig('test', { KAFKA_BROKERS: `localhost:${own}` });
    const cluster = new Cluster(config);
    await new Topic(cluster, config).ensure();
    cluster.close();
    const settings = {
      KAFKA_BROKERS: `localhost:${kafka.broker.port}`,
      SEND_INTERVAL_MS: '100',
      BUFFER_SIZE: '100',
    };
    const services = (['kafka-producer', 'consumer_from_oldest', 'consumer_batch_message'] as const).map(
      (name) => startService(name, settings),
    );
    for (const service of services) {
      const line = await service.line('the trap', (text) => text.startsWith('Held up: '));
      assert.match(
        line,
        /^Held up: ENOTFOUND: localhost:\d+ was asked, and names nowhere\.invalid:9092 as the broker/,
      );
      assert.match(line, /advertised\.listeners/);
    }
    // Ten seconds are long enough for a flood.
    await services[0]?.line('a full buffer', (line) => line.startsWith('Buffer full: '));
    for (const service of services) {
      assert.equal(await service.stop(), 0);
      assert.equal(
        service.lines.filter((line) => !/^(Stopped with|Buffer full)/.test(line)).length,
        1,
        service.lines.join('\n'),
      );
    }
  });
});

describe('on a broker that works', () => {
  const kafka = useKafka();

  test('a port that is not a broker’s is said, with what to check', async () => {
    const server = createServer((socket) =>
      socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    );
    server.listen(0, 'localhost');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const oldest = startService('consumer_from_oldest', { KAFKA_BROKERS: `localhost:${port}` });
    const line = await oldest.line('what holds it up', (text) => text.startsWith('Held up: '));
    assert.match(
      line,
      /^Held up: CONNECTION_CLOSED: localhost:\d+ closes the connection; is it a broker's port/,
    );
    assert.equal(await oldest.stop(), 0);
    assert.equal(oldest.lines.length, 1, oldest.lines.join('\n'));
    server.close();
  });

  test('a member that waits for another one’s handler says that it waits', async () => {
    const topic = await kafka.createTopic(2);
    await kafka.write(topic, messages(0, 2));
    const settings = { GROUP_ID: randomUUID(), HANDLER_DELAY_MS: '20000', BATCH_SIZE: '1' };
    const busy = start('consumer_batch_message', kafka, topic, settings);
    await busy.shows('a batch in hand', (lines) => offsets(lines).length === 1);
    const second = start('consumer_batch_message', kafka, topic, settings);
    await second.line('why it waits', (line) =>
      line.startsWith('Held up: REBALANCE_IN_PROGRESS: no answer to the join yet: a group waits'),
    );
    await second.line('its start', (line) => /^(Starting|Resuming)/.test(line));
    assert.equal(heldUp(second).length, 1);
    assert.deepEqual(heldUp(busy), []);
  });

  test('a client over its quota keeps its place in the group, says why it is slow, and misses nothing', async () => {
    const topic = await kafka.createTopic();
    const values = messages(0, 400).map((value) => value.replace('}', `,"pad":"${'x'.repeat(2000)}"}`));
    for (const from of range(0, 4)) await kafka.write(topic, values.slice(from * 100, from * 100 + 100));
    const client = ['--entity-type', 'clients', '--entity-name', 'consumer_from_oldest'];
    const { brokers } = kafka.broker;
    await kafkaTool(
      'kafka-configs',
      brokers,
      '--alter',
      '--add-config',
      'consumer_byte_rate=60000',
      ...client,
    );
    const oldest = start('consumer_from_oldest', kafka, topic);
    await oldest.line('why it is slow', (line) => line.startsWith('Held up: THROTTLED: '));
    await oldest.shows('all of it', (lines) => offsets(lines).includes(399));
    assert.deepEqual(offsets(oldest.lines), range(0, 400), 'nothing twice: it has kept its place');
    await kafkaTool('kafka-configs', brokers, '--alter', '--delete-config', 'consumer_byte_rate', ...client);
    assert.ok(heldUp(oldest).length <= 2, heldUp(oldest).join('\n'));
  });
});

/** The services on three brokers, of which any may go away. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { offsets, range, received, sent, starts } from '../../harness/log';
import { type Recorded, startService, until } from '../../harness/service';
import { Cluster } from '../../lib/client/cluster';
import { producerConfig } from '../../lib/settings/settings';
import { BROKER_IDS, type BrokerId, type ClusterBroker } from '../../local/cluster';
import { messages, ofCoordinator, useCluster } from '../support/kafka';

const PARTITIONS = 6;
const CONSUMERS = ['consumer_from_oldest', 'consumer_from_newest', 'consumer_batch_message'] as const;

const kafka = useCluster();

/** The producer, and once it has sent something the three consumers; resolves once they have begun. */
async function startAll() {
  const topic = `test-${randomUUID()}`;
  const settings = {
    KAFKA_BROKERS: kafka.cluster.brokers,
    KAFKA_TOPIC: topic,
    TOPIC_PARTITIONS: String(PARTITIONS),
    SEND_INTERVAL_MS: '50',
    BATCH_WAIT_MS: '500',
  };
  const producer = startService('kafka-producer', settings);
  await producer.shows('a history', (lines) => sent(lines).length >= 10);
  const consumers = CONSUMERS.map((name) =>
    startService(name, { ...settings, GROUP_ID: `${topic}-${name}` }),
  );
  for (const consumer of consumers)
    await consumer.shows('all its partitions', (lines) => starts(lines).length === PARTITIONS);
  return { topic, producer, consumers, groups: CONSUMERS.map((name) => `${topic}-${name}`) };
}

/** Waits until each of them has received, in every partition, what the producer sends from now on. */
async function messagesGoOn(producer: Recorded, consumers: Recorded[]): Promise<void> {
  const before = sent(producer.lines).length;
  await producer.shows('messages in all partitions', (lines) => {
    const since = sent(lines).slice(before);
    return new Set(since.map(({ partition }) => partition)).size === PARTITIONS;
  });
  const placed = sent(producer.lines).slice(before);
  for (const consumer of consumers) {
    // What the producer had sent before the newest began may be printed only now.
    const begin = new Map(starts(consumer.lines).map(({ partition, offset }) => [partition, offset]));
    const due = placed.filter(({ partition, offset }) => offset >= (begin.get(partition) as number));
    await consumer.shows('all of these', (lines) => {
      // After an outage there are a thousand: they are looked up, not looked for.
      const seen = new Set(
        received(lines).flatMap(({ partition, first, last }) =>
          range(first, last + 1).map((offset) => `${partition}:${offset}`),
        ),
      );
      return due.every(({ partition, offset }) => seen.has(`${partition}:${offset}`));
    });
  }
}

test('the three consumers have all six partitions, and each partition three copies on as many brokers', async () => {
  const { topic, producer, consumers } = await startAll();
  await messagesGoOn(producer, consumers);
  for (const consumer of consumers)
    assert.equal(new Set(received(consumer.lines).map(({ partition }) => partition)).size, PARTITIONS);
  for (const consumer of [consumers[0], consumers[2]] as Recorded[])
    for (const partition of range(0, PARTITIONS)) {
      const inOrder = offsets(consumer.lines, partition);
      assert.deepEqual(inOrder, range(0, inOrder.length), 'from the first, in order, without a gap');
    }
  const { topics } = await kafka.admin.fetchTopicMetadata({ topics: [topic] });
  for (const { replicas, isr } of topics[0]?.partitions ?? []) {
    assert.deepEqual([...replicas].sort(), BROKER_IDS);
    assert.deepEqual([...isr].sort(), BROKER_IDS);
  }
  const leaders = topics[0]?.partitions.map(({ leader }) => leader);
  assert.deepEqual([...new Set(leaders)].sort(), BROKER_IDS);
  for (const service of [producer, ...consumers]) assert.equal(await service.stop(), 0);
});

test('each broker leads to the others: one address is enough', async () => {
  const { topic, producer } = await startAll();
  for (const id of BROKER_IDS) {
    const consumer = startService('consumer_from_oldest', {
      KAFKA_BROKERS: `localhost:${kafka.cluster.broker[id].port}`,
      KAFKA_TOPIC: topic,
    });
    await consumer.shows('all its partitions', (lines) => starts(lines).length === PARTITIONS);
    await messagesGoOn(producer, [consumer]);
    assert.equal(await consumer.stop(), 0);
  }
});

test('a broker that is killed costs seconds, and no message; it comes back, and another may go', async () => {
  const { topic, producer, consumers } = await startAll();
  await messagesGoOn(producer, consumers);
  for (const id of BROKER_IDS) {
    const broker = kafka.cluster.broker[id];
    await broker.stop('SIGKILL');
    await messagesGoOn(producer, consumers);
    await broker.start();
    await messagesGoOn(producer, consumers);
  }
  for (const service of [producer, ...consumers]) assert.equal(await service.stop(), 0);
  // What the stop came too early for may be there too.
  const open = Number(/^Stopped with (\d+)/.exec(producer.lines.at(-1) ?? '')?.[1] ?? 0);
  const [said, stored] = [sent(producer.lines).length, (await kafka.read(topic)).length];
  assert.ok(
    stored >= said && stored <= said + open,
    `what was said to be sent is there, and nothing twice: ${said}, ${stored}, ${open} open`,
  );
});

test('a coordinator that is killed is found anew: members stay who they are, and nothing is lost, repeated or out of order', async () => {
  const { producer, consumers, groups } = await startAll();
  await messagesGoOn(producer, consumers);
  const oldest = groups[0] as string;
  const membersOf = async () => {
    const { groups: described } = await ofCoordinator(() => kafka.admin.describeGroups(groups));
    return described.flatMap(({ members }) => members.map(({ memberId }) => memberId)).sort();
  };
  const before = await membersOf();
  assert.equal(before.length, consumers.length);
  const coordinator = (await kafka.coordinator(oldest)) as BrokerId;
  await kafka.cluster.broker[coordinator].stop('SIGKILL');
  await messagesGoOn(producer, consumers);
  assert.deepEqual(await membersOf(), before);
  for (const service of [producer, ...consumers]) assert.equal(await service.stop(), 0);
  assertWhole(producer, consumers);
});

test('a leader that is frozen gives way to another, and nothing is lost, repeated or out of order', async () => {
  const { topic, producer, consumers } = await startAll();
  await messagesGoOn(producer, consumers);
  const leader = (await kafka.leader(topic)) as BrokerId;
  kafka.cluster.broker[leader].freeze();
  await messagesGoOn(producer, consumers);
  kafka.cluster.broker[leader].thaw();
  await messagesGoOn(producer, consumers);
  for (const service of [producer, ...consumers]) {
    assert.equal(await service.stop(), 0);
    assert.ok(!service.lines.some((line) => line.startsWith('Broker lost')), 'two others are there');
  }
  assertWhole(producer, consumers);
});

test('a leader that moves costs nobody a join: nothing is lost, repeated or out of order', async () => {
  const { topic, producer, consumers, groups } = await startAll();
  await messagesGoOn(producer, consumers);
  const before = kafka.rebalances(groups);
  assert.ok(before >= groups.length, `${before} rebalances of ${groups.length} groups are in the log`);
  for (const partition of range(0, PARTITIONS)) {
    const old = await kafka.leader(topic, partition);
    const partitionAssignment = [{ partition, replicas: BROKER_IDS.filter((id) => id !== old) }];
    await kafka.admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] });
    await until(
      'another leader',
      async () => ![old, undefined].includes(await kafka.leader(topic, partition)),
    );
  }
  await messagesGoOn(producer, consumers);
  assert.equal(kafka.rebalances(groups), before);
  assert.equal(await producer.stop(), 0);
  await allHaveTheLast(producer, consumers);
  for (const consumer of consumers) assert.equal(await consumer.stop(), 0);
  assertWhole(producer, consumers);
});

test('a consumer that comes back while a partition has no leader goes on with the others', async () => {
  const topic = `test-${randomUUID()}`;
  await kafka.admin.createTopics({
    topics: [
      {
        topic,
        replicaAssignment: [
          { partition: 0, replicas: [1] },
          { partition: 1, replicas: [2] },
        ],
        configEntries: [{ name: 'min.insync.replicas', value: '1' }],
      },
    ],
    waitForLeaders: true,
  });
  const settings = { KAFKA_BROKERS: kafka.cluster.brokers, KAFKA_TOPIC: topic, GROUP_ID: topic };
  const start = () => startService('consumer_from_oldest', settings);
  const has = (consumer: Recorded, partition: number, offset: number) =>
    consumer.shows(`${partition}:${offset}`, (lines) => offsets(lines, partition).includes(offset));
  for (const partition of [0, 1]) await kafka.write(topic, messages(0, 1), partition);
  const before = start();
  for (const partition of [0, 1]) await has(before, partition, 0);
  assert.equal(await before.stop(), 0);
  const broker = kafka.cluster.broker[1];
  await broker.stop('SIGKILL');
  // kafkajs gives no metadata of a topic while one of its partitions has no leader.
  const cluster = new Cluster({ ...producerConfig('test'), brokers: kafka.cluster.brokers.split(',') });
  await until(
    'no leader',
    async () => (await cluster.metadata([topic])).topics[0]?.partitions[0]?.leader === -1,
  );
  cluster.close();
  await kafka.write(topic, messages(1, 2), 1);
  const after = start();
  await has(after, 1, 1);
  await broker.start();
  await kafka.write(topic, messages(1, 2), 0);
  await has(after, 0, 1);
  assert.equal(await after.stop(), 0);
  assert.deepEqual([offsets(after.lines, 0), offsets(after.lines, 1)], [[1], [1]]);
});

test('with two of three killed each service says what holds it up, and goes on once they are back', async () => {
  const { producer, consumers } = await startAll();
  await messagesGoOn(producer, consumers);
  const [one, other] = BROKER_IDS.map((id) => kafka.cluster.broker[id]) as [ClusterBroker, ClusterBroker];
  await Promise.all([one.stop('SIGKILL'), other.stop('SIGKILL')]);
  for (const service of [producer, ...consumers])
    await service.line('what holds it up', (line) => line.startsWith('Held up: '));
  await Promise.all([one.start(), other.start()]);
  await messagesGoOn(producer, consumers);
  for (const service of [producer, ...consumers]) {
    await service.line('its end', (line) => line.startsWith('Going on after '));
    assert.equal(await service.stop(), 0);
    // On a busy machine the consumers are seconds behind by now.
    if (service === producer) await allHaveTheLast(producer, consumers);
  }
  assertWhole(producer, consumers);
});

test('a topic is made with as many copies as the settings say; more than there are brokers is said', async () => {
  const settings = { KAFKA_BROKERS: kafka.cluster.brokers, SEND_INTERVAL_MS: '100' };
  const [two, four] = [`test-${randomUUID()}`, `test-${randomUUID()}`];
  const producer = startService('kafka-producer', { ...settings, KAFKA_TOPIC: two, TOPIC_REPLICAS: '2' });
  const tooMany = startService('consumer_from_oldest', {
    ...settings,
    KAFKA_TOPIC: four,
    TOPIC_REPLICAS: '4',
  });
  await producer.shows('messages', (lines) => sent(lines).length >= 2);
  const { topics } = await kafka.admin.fetchTopicMetadata({ topics: [two] });
  assert.equal(topics[0]?.partitions[0]?.replicas.length, 2);
  await tooMany.line('why it waits', (line) =>
    /^Held up: INVALID_REPLICATION_FACTOR: .*lower TOPIC_REPLICAS/.test(line),
  );
  for (const service of [producer, tooMany]) assert.equal(await service.stop(), 0);
});

test('a message that too few brokers would have is not taken: the producer says so, and sends it once they are back', async () => {
  const topic = await kafka.createTopic(1, { 'min.insync.replicas': '3' });
  const producer = startService('kafka-producer', {
    KAFKA_BROKERS: kafka.cluster.brokers,
    KAFKA_TOPIC: topic,
    SEND_INTERVAL_MS: '100',
  });
  await producer.shows('messages', (lines) => sent(lines).length >= 5);
  const leader = await kafka.leader(topic);
  const follower = BROKER_IDS.map((id) => kafka.cluster.broker[id]).find(({ id }) => id !== leader);
  await follower?.stop('SIGKILL');
  await producer.line('why it waits', (line) =>
    /^Held up: NOT_ENOUGH_REPLICAS(_AFTER_APPEND)?: .*; too few brokers have the partition/.test(line),
  );
  await follower?.start();
  await producer.line('the end of it', (line) => line.startsWith('Going on after '));
  assert.equal(await producer.stop(), 0);
  const placed = sent(producer.lines).map(({ offset }) => offset);
  assert.deepEqual(placed, range(0, placed.length));
  // What the stop came too early for may be there too.
  const open = Number(/^Stopped with (\d+)/.exec(producer.lines.at(-1) ?? '')?.[1] ?? 0);
  const stored = (await kafka.read(topic)).length;
  assert.ok(
    stored >= placed.length && stored <= placed.length + open,
    `each once: ${stored} stored, ${placed.length} said to be, ${producer.lines.at(-1)}`,
  );
});

async function allHaveTheLast(producer: Recorded, consumers: Recorded[]): Promise<void> {
  const last = new Map(sent(producer.lines).map(({ partition, offset }) => [partition, offset]));
  for (const consumer of consumers)
    await consumer.shows('the last of each partition', (lines) =>
      [...last].every(([partition, offset]) => offsets(lines, partition).includes(offset)),
    );
}

/**
 * What each consumer printed of each partition: from where it began to the last that was sent, each once and in order.
 * What the producer was stopped over, without an acknowledgement, may be there too: it says so.
 */
function assertWhole(producer: Recorded, consumers: Recorded[]): void {
  const all = sent(producer.lines);
  const isAllAcknowledged = !producer.lines.some((line) => line.startsWith('Stopped with'));
  for (const { lines } of consumers)
    for (const { partition, offset } of starts(lines)) {
      const last = all.findLast((one) => one.partition === partition)?.offset as number;
      const printed = offsets(lines, partition);
      const end = Math.max(...printed) + 1;
      const others = lines.filter((line) => !line.startsWith('Received: ')).join('\n');
      assert.deepEqual(printed, range(offset, end), `partition ${partition} has ${printed}\n${others}`);
      // A stop may come before the last ones are fetched.
      assert.ok(end > last - 20, `partition ${partition} ends at ${end} of ${last}`);
      if (isAllAcknowledged)
        assert.ok(end <= last + 1, `partition ${partition} has ${end}: ${producer.lines.at(-1)}`);
    }
}

/** Who gets which partitions, when the group has several topics, and when a topic gets more of them. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import type { ConsumerGroupJoinEvent } from 'kafkajs';
import { offsets, range, sent, starts } from '../../harness/log';
import { type Recorded, type ServiceName, startService, until } from '../../harness/service';
import { java } from '../../local/java';
import { messages, useSharedKafka } from '../support/kafka';
import { sideBySide } from '../support/side_by_side';

const kafka = useSharedKafka();

const start = (name: ServiceName, topic: string, settings: Record<string, string> = {}) =>
  startService(name, { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, ...settings });

const partitions = ({ lines }: Recorded) =>
  [...new Set(starts(lines).map(({ partition }) => partition))].sort();

/** Writes these messages to each of the topic's partitions. */
async function writeToEach(topic: string, count: number, from: number, to: number): Promise<void> {
  for (const partition of range(0, count)) await kafka.write(topic, messages(from, to), partition);
}

/** Waits until the consumer has the message of this offset of each partition. */
const reaches = (consumer: Recorded, count: number, offset: number) =>
  consumer.shows(`offset ${offset} of each partition`, (lines) =>
    range(0, count).every((partition) => offsets(lines, partition).includes(offset)),
  );

test('two members of one group with a topic each get the partitions of their own, also after one has left and come back', async () => {
  const GROUP_ID = randomUUID();
  const [first, second] = [await kafka.createTopic(2), await kafka.createTopic(3)];
  await writeToEach(first, 2, 0, 10);
  await writeToEach(second, 3, 0, 10);
  const oldest = start('consumer_from_oldest', first, { GROUP_ID });
  await reaches(oldest, 2, 9);
  const batch = start('consumer_batch_message', second, { GROUP_ID, BATCH_WAIT_MS: '200' });
  await reaches(batch, 3, 9);
  await writeToEach(first, 2, 10, 20);
  await reaches(oldest, 2, 19);

  // The leader goes: the other has to know what to do with a topic that is not its own.
  assert.equal(await oldest.stop(), 0);
  await writeToEach(first, 2, 20, 30);
  await writeToEach(second, 3, 10, 20);
  await reaches(batch, 3, 19);
  const again = start('consumer_from_oldest', first, { GROUP_ID });
  await reaches(again, 2, 29);
  await writeToEach(second, 3, 20, 30);
  await reaches(batch, 3, 29);

  assert.deepEqual(
    [partitions(oldest), partitions(batch), partitions(again)],
    [
      [0, 1],
      [0, 1, 2],
      [0, 1],
    ],
  );
  for (const partition of range(0, 2)) {
    const all = [...offsets(oldest.lines, partition), ...offsets(again.lines, partition)];
    assert.deepEqual([...new Set(all)], range(0, 30), 'nothing missed');
  }
  for (const partition of range(0, 3))
    assert.deepEqual([...new Set(offsets(batch.lines, partition))], range(0, 30));
  for (const { lines, errors } of [oldest, batch, again]) {
    assert.ok(!lines.includes('No partitions assigned'));
    assert.deepEqual(errors, []);
  }
});

test('partitions that the topic of one member gets are read, though the leader of the group has another topic', async () => {
  const GROUP_ID = randomUUID();
  const [first, second] = [await kafka.createTopic(2), await kafka.createTopic(1)];
  const leader = start('consumer_from_oldest', first, { GROUP_ID });
  await leader.shows('its start', () => partitions(leader).length === 2);
  const other = start('consumer_from_newest', second, { GROUP_ID });
  await other.shows('its start', () => partitions(other).length === 1);
  await kafka.admin.createPartitions({ topicPartitions: [{ topic: second, count: 3 }] });
  await writeToEach(second, 3, 0, 5);
  await writeToEach(first, 2, 0, 5);
  await reaches(other, 3, 4);
  await reaches(leader, 2, 4);
  for (const partition of range(0, 3)) assert.deepEqual(offsets(other.lines, partition), range(0, 5));
});

test('a member by kafkajs shares the group, and the partitions of the topic that it asks for', async () => {
  const groupId = randomUUID();
  const [first, second] = [await kafka.createTopic(4), await kafka.createTopic(2)];
  await writeToEach(first, 4, 0, 5);
  await writeToEach(second, 2, 0, 5);
  const oldest = start('consumer_from_oldest', first, { GROUP_ID: groupId });
  const newest = start('consumer_from_newest', second, { GROUP_ID: groupId, AUTO_OFFSET_RESET: 'earliest' });
  await reaches(oldest, 4, 4);
  await reaches(newest, 2, 4);
  const third = kafka.client.consumer({ groupId, maxWaitTimeInMs: 100 });
  let assigned: ConsumerGroupJoinEvent['payload'] | undefined;
  third.on(third.events.GROUP_JOIN, ({ payload }) => {
    assigned = payload;
  });
  const taken: string[] = [];
  await third.connect();
  await third.subscribe({ topic: first });
  await third.run({
    eachMessage: async ({ partition, message }) => {
      taken.push(`${partition}:${message.offset}`);
    },
  });
  await writeToEach(first, 4, 5, 15);
  await writeToEach(second, 2, 5, 15);
  await oldest.shows('the last messages of its share', (lines) => {
    const others = assigned?.memberAssignment[first];
    if (others?.length !== 2) return false;
    return (
      others.every((partition) => taken.includes(`${partition}:14`)) &&
      range(0, 4).every((partition) => others.includes(partition) || offsets(lines, partition).includes(14))
    );
  });
  await reaches(newest, 2, 14);
  assert.deepEqual(Object.keys(assigned?.memberAssignment ?? {}), [first]);
  assert.equal(assigned?.isLeader, false);
  for (const partition of range(0, 4)) {
    const theirs = taken
      .filter((one) => one.startsWith(`${partition}:`))
      .map((one) => Number(one.split(':')[1]));
    const all = new Set([...offsets(oldest.lines, partition), ...theirs]);
    assert.deepEqual(
      [...all].sort((a, b) => a - b),
      range(0, 15),
      'nothing missed',
    );
  }
  await third.disconnect();
  await writeToEach(first, 4, 15, 20);
  await reaches(oldest, 4, 19);
});

test("members of Java's client share the group, whichever of them deals out its partitions", async () => {
  const topic = await kafka.createTopic(4);
  const theirs = new Map(range(0, 4).map((partition) => [partition, new Set<number>()]));
  const startJava = () => {
    const strategy = 'partition.assignment.strategy=org.apache.kafka.clients.consumer.RoundRobinAssignor';
    const child = java(
      'kafka-3',
      ['-Xmx128m'],
      [
        'org.apache.kafka.tools.consumer.ConsoleConsumer',
        ...['--bootstrap-server', kafka.broker.brokers, '--topic', topic, '--group', topic],
        ...[strategy, 'auto.offset.reset=earliest'].flatMap((one) => ['--consumer-property', one]),
        ...['partition', 'offset'].flatMap((what) => ['--property', `print.${what}=true`]),
      ],
      (line) => {
        const [, partition, offset] = /^Partition:(\d+)\tOffset:(\d+)\t/.exec(line) ?? [];
        theirs.get(Number(partition))?.add(Number(offset));
      },
    );
    return async () => {
      child.kill('SIGTERM');
      await once(child, 'exit');
    };
  };
  let end = 0;
  /** Writes ten more messages to each partition, and waits until each is read, half of the partitions by either. */
  const share = async (ours: Recorded) => {
    // Before the group is as it is to be, one of them may read all of a partition.
    await until('both to read two partitions each', async () => {
      await writeToEach(topic, 4, end, end + 10);
      end += 10;
      const readers = await until('all to be read', async () => {
        const last = (partition: number) => [
          offsets(ours.lines, partition).includes(end - 1),
          theirs.get(partition)?.has(end - 1),
        ];
        const all = range(0, 4).map(last);
        return all.every((one) => one.includes(true)) && all;
      });
      return readers.filter(([isOurs]) => isOurs).length === 2;
    });
  };

  let stopJava = startJava();
  await writeToEach(topic, 4, 0, 1);
  end = 1;
  await until('Java to be the leader of the group', () => [...theirs.values()].every((one) => one.has(0)));
  const ours = start('consumer_from_oldest', topic, { GROUP_ID: topic });
  await share(ours);
  await stopJava();
  await writeToEach(topic, 4, end, end + 1);
  end++;
  await reaches(ours, 4, end - 1);
  stopJava = startJava();
  await share(ours);
  await stopJava();
  assert.equal(await ours.stop(), 0);
  for (const partition of range(0, 4)) {
    const all = new Set([...offsets(ours.lines, partition), ...(theirs.get(partition) ?? [])]);
    assert.deepEqual(
      [...all].sort((a, b) => a - b),
      range(0, end),
      'nothing missed',
    );
  }
});

test('partitions that a running topic gets are written to, and read from their first message by all', async () => {
  const topic = await kafka.createTopic(1);
  const producer = start('kafka-producer', topic, { SEND_INTERVAL_MS: '50' });
  await producer.shows('a history', (lines) => sent(lines).length >= 5);
  const consumers = [
    start('consumer_from_oldest', topic),
    start('consumer_from_newest', topic),
    start('consumer_batch_message', topic, { BATCH_SIZE: '10', BATCH_WAIT_MS: '200' }),
  ];
  for (const consumer of consumers)
    await consumer.shows('a message', (lines) => offsets(lines, 0).length >= 1);
  await kafka.admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
  await producer.shows('messages for the new ones', (lines) =>
    [1, 2].every((partition) => sent(lines).some((one) => one.partition === partition && one.offset === 9)),
  );
  assert.equal(await producer.stop(), 0);
  for (const partition of [1, 2]) {
    const last = sent(producer.lines).findLast((one) => one.partition === partition)?.offset as number;
    for (const consumer of consumers) {
      await consumer.shows('the last', (lines) => offsets(lines, partition).includes(last));
      const all = new Set(offsets(consumer.lines, partition));
      assert.deepEqual([...all], range(0, last + 1), 'from the first one on');
      assert.equal(starts(consumer.lines).find((one) => one.partition === partition)?.offset, 0);
    }
  }
  for (const service of [producer, ...consumers]) {
    assert.deepEqual(service.errors, []);
    assert.deepEqual(
      service.lines.filter((line) => !/^(Sent|Received|Starting at offset)/.test(line)),
      [],
    );
  }
});

test('what a handler slower than the session has in hand when the group is rebalanced is handled once', async () => {
  const members = [
    ['consumer_from_oldest', {}],
    ['consumer_batch_message', { BATCH_SIZE: '2' }],
  ] as const;
  await sideBySide(members, async ([name, settings]) => {
    const GROUP_ID = randomUUID();
    const topic = await kafka.createTopic(2);
    await kafka.write(topic, messages(0, 2), 0);
    // It has printed its line, and works on for longer than a silent member would be kept.
    const slow = start(name, topic, { GROUP_ID, ...settings, HANDLER_DELAY_MS: '13000' });
    await slow.line('the first line', (line) => line.startsWith('Received'));
    const other = start('consumer_from_oldest', topic, { GROUP_ID });
    await other.shows('its part', (lines) => starts(lines).length > 0);
    await kafka.write(topic, messages(2, 3), 0);
    await until('the end of partition 0', async () => (await kafka.committed(GROUP_ID, topic)) === 3);
    for (const member of [slow, other]) assert.equal(await member.stop(), 0);
    const all = [...offsets(slow.lines, 0), ...offsets(other.lines, 0)].sort((a, b) => a - b);
    assert.deepEqual(all, [0, 1, 2], name);
  });
});

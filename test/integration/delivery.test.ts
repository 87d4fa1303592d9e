/** What becomes of the messages when the broker goes away, and when an acknowledgement does. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { offsets, range, received, sent } from '../../harness/log';
import { type Recorded, type ServiceName, startService, until } from '../../harness/service';
import { messages, useKafka } from '../support/kafka';
import { sideBySide } from '../support/side_by_side';

const kafka = useKafka();

const start = (name: ServiceName, topic: string, settings: Record<string, string> = {}) =>
  startService(name, { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, ...settings });

const troubleOf = ({ lines }: Recorded) => lines.filter((line) => line.startsWith('Broker '));

/** Each tick is in the topic once, in its order, and was printed as sent where it is. */
async function assertSentOnceInOrder(topic: string, producer: Recorded): Promise<void> {
  const printed = sent(producer.lines);
  const written = await kafka.read(topic);
  assert.deepEqual(
    printed.map(({ value, partition, offset }) => ({ partition, offset, value })).sort(byPlace),
    written.sort(byPlace),
  );
  const times = printed.map(({ value }) => value);
  assert.deepEqual(times, [...times].sort(), 'in the order of the ticks');
}

const byPlace = (a: { partition: number; offset: number }, b: { partition: number; offset: number }) =>
  a.partition - b.partition || a.offset - b.offset;

for (const [how, signal] of [
  ['stopped', 'SIGTERM'],
  ['killed', 'SIGKILL'],
] as const) {
  test(`broker ${how} and started again: nothing lost, repeated or out of order from the producer`, async () => {
    const topic = await kafka.createTopic();
    const producer = start('kafka-producer', topic, { SEND_INTERVAL_MS: '20' });
    const oldest = start('consumer_from_oldest', topic);
    const batch = start('consumer_batch_message', topic, { BATCH_WAIT_MS: '200', BATCH_SIZE: '50' });
    await producer.shows('50 messages', (lines) => sent(lines).length >= 50);
    await oldest.shows('the same', (lines) => offsets(lines).length >= 50);
    await batch.shows('the same', (lines) => offsets(lines).length >= 50);
    await kafka.broker.stopKafka(signal);
    const before = sent(producer.lines).length;
    for (const service of [producer, oldest, batch])
      await service.line('the loss', (line) => line.startsWith('Broker lost: '));
    await kafka.broker.startKafka();
    await producer.shows('100 more', (lines) => sent(lines).length >= before + 100);
    assert.equal(await producer.stop(), 0);
    const total = sent(producer.lines).length;
    for (const consumer of [oldest, batch]) {
      await consumer.shows('the last message', (lines) => offsets(lines).includes(total - 1));
      assert.equal(await consumer.stop(), 0);
      assert.deepEqual([...new Set(offsets(consumer.lines))], range(0, total), 'nothing lost');
    }
    for (const service of [producer, oldest, batch]) {
      const trouble = troubleOf(service).map((line) => line.split(' ')[1]);
      assert.deepEqual(
        trouble,
        ['lost:', 'back'],
        service.lines.filter((l) => !/Sent|Rec/.test(l)).join('\n'),
      );
      assert.deepEqual(service.errors, []);
    }
    await assertSentOnceInOrder(topic, producer);
  });
}

test('the newest misses nothing after its Starting line, though the broker goes before the first message', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 5));
  const newest = start('consumer_from_newest', topic);
  await newest.line('the start', (line) => line.startsWith('Starting at offset 5'));
  await kafka.broker.stopKafka('SIGKILL');
  await newest.line('the loss', (line) => line.startsWith('Broker lost: '));
  await kafka.broker.startKafka();
  await kafka.write(topic, messages(5, 25));
  await newest.shows('20 messages', (lines) => offsets(lines).length >= 20);
  assert.deepEqual(offsets(newest.lines), range(5, 25));
});

test('a full buffer is said once; it skips ticks, and goes on when the broker is back', async () => {
  const topic = await kafka.createTopic();
  const producer = start('kafka-producer', topic, { SEND_INTERVAL_MS: '20', BUFFER_SIZE: '10' });
  await producer.shows('a message', (lines) => sent(lines).length >= 1);
  await kafka.broker.stopKafka();
  await producer.line('the full buffer', (line) => line.startsWith('Buffer full: 10 messages'));
  const before = sent(producer.lines).length;
  await kafka.broker.startKafka();
  await producer.shows('30 more', (lines) => sent(lines).length >= before + 30);
  await producer.stop();
  assert.equal(producer.lines.filter((line) => line.startsWith('Buffer full')).length, 1);
  await assertSentOnceInOrder(topic, producer);
});

test('stopped while the broker is away: the producer says how many messages were not sent', async () => {
  const topic = await kafka.createTopic();
  const producer = start('kafka-producer', topic, { SEND_INTERVAL_MS: '100' });
  const oldest = start('consumer_from_oldest', topic);
  await oldest.shows('a message', (lines) => offsets(lines).length >= 1);
  await kafka.broker.stopKafka();
  await producer.line('the loss', (line) => line.startsWith('Broker lost: '));
  await oldest.line('the loss', (line) => line.startsWith('Broker lost: '));
  assert.equal(await producer.stop(), 0);
  assert.match(producer.lines.at(-1) ?? '', /^Stopped with \d+ messages? not sent: the broker is away$/);
  assert.equal(await oldest.stop(), 0);
  await kafka.broker.startKafka();
});

test('stopped while the broker is away, with a commit under way, the consumers end with exit code 0', async () => {
  const topic = await kafka.createTopic();
  const producer = start('kafka-producer', topic, { SEND_INTERVAL_MS: '1' });
  const busy = start('consumer_from_oldest', topic);
  // Its batch is due, handled and to be committed when the broker is already away.
  const GROUP_ID = randomUUID();
  const batch = start('consumer_batch_message', topic, {
    GROUP_ID,
    BATCH_SIZE: '10000',
    // Longer than a busy machine takes from the sight of a message to the end of the broker.
    BATCH_WAIT_MS: '8000',
  });
  await busy.shows('200 messages', (lines) => offsets(lines).length >= 200);
  await batch.shows('a batch', (lines) => received(lines).length >= 1);
  const gathered = received(batch.lines).at(-1)?.last as number;
  // Without this commit no further batch would be handled.
  await until('its commit', async () => (await kafka.committed(GROUP_ID, topic)) === gathered + 1);
  await busy.shows('messages of the next batch', (lines) => offsets(lines).includes(gathered + 100));
  const seen = received(batch.lines).length;
  await kafka.broker.stopKafka('SIGKILL');
  await batch.shows('the batch without a broker', (lines) => received(lines).length > seen);
  for (const consumer of [busy, batch]) {
    await consumer.line('the loss', (line) => line.startsWith('Broker lost: '));
    assert.equal(await consumer.stop(), 0);
    assert.deepEqual(consumer.errors, []);
  }
  assert.match(
    batch.lines.at(-1) as string,
    /^Stopped with \d+ handled messages not committed: they come again$/,
  );
  await producer.stop();
  await kafka.broker.startKafka();
});

test('stopped while the broker gives no answer, with a commit under way, a consumer ends with exit code 0', async () => {
  const topic = await kafka.createTopic();
  const oldest = start('consumer_from_oldest', topic);
  await oldest.line('its start', (line) => line.startsWith('Starting at '));
  await kafka.write(topic, messages(0, 10));
  await oldest.shows('ten messages', (lines) => offsets(lines).length === 10);
  const { pids } = kafka.broker;
  process.kill(pids.kafka, 'SIGSTOP');
  try {
    assert.equal(await oldest.stop(), 0, oldest.end());
    assert.deepEqual(oldest.errors, []);
  } finally {
    process.kill(pids.kafka, 'SIGCONT');
  }
  // Its session with ZooKeeper may be over: until it has a new one, it makes no topic.
  const madeTopic = () =>
    kafka.createTopic().then(
      () => true,
      () => false,
    );
  await until('the broker at work', madeTopic);
});

test('killed in mid-work with a fixed GROUP_ID, a consumer resumes: only what was not committed comes again', async () => {
  await sideBySide(['consumer_from_oldest', 'consumer_batch_message'] as const, async (name) => {
    const topic = await kafka.createTopic();
    const groupId = randomUUID();
    await kafka.write(topic, messages(0, 300));
    const settings = { GROUP_ID: groupId, HANDLER_DELAY_MS: '10' };
    const first = start(name, topic, settings);
    await first.shows('150 messages', (lines) => offsets(lines).length >= 150);
    await first.stop('SIGKILL');
    const committed = await until(
      'a commit',
      async () => (await kafka.committed(groupId, topic)) || undefined,
    );
    const second = start(name, topic, settings);
    await second.shows('the last message', (lines) => offsets(lines).includes(299));
    // Before it, perhaps, that the group still waits for the member that was killed.
    assert.equal(
      second.lines.find(
        (line) => !line.startsWith('Held up: REBALANCE_IN_PROGRESS') && !line.startsWith('Going on'),
      ),
      `Resuming at offset ${committed} (committed by group ${groupId}, partition 0)`,
    );
    assert.deepEqual(offsets(second.lines), range(committed, 300));
    await second.stop();
  });
});

test('a consumer frozen beyond the session time-out rejoins, and loses nothing', async () => {
  const topic = await kafka.createTopic();
  const groupId = randomUUID();
  const oldest = start('consumer_from_oldest', topic, { GROUP_ID: groupId });
  await oldest.line('the start', (line) => line.startsWith('Starting'));
  await kafka.write(topic, messages(0, 10));
  await oldest.shows('ten messages', (lines) => offsets(lines).length >= 10);
  oldest.child.kill('SIGSTOP');
  await until('the end of its session', async () => {
    const { groups } = await kafka.admin.describeGroups([groupId]);
    return groups[0]?.members.length === 0;
  });
  await kafka.write(topic, messages(10, 20));
  oldest.child.kill('SIGCONT');
  await oldest.shows('all', (lines) => offsets(lines).includes(19));
  assert.deepEqual([...new Set(offsets(oldest.lines))], range(0, 20));
});

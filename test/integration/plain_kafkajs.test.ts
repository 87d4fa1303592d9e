/** kafkajs as it is, by its public API: what docs/kafkajs.md shows of it works, and what is said not to hold does not. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { range } from '../../harness/log';
import { type Recorded, startService, until } from '../../harness/service';
import { messages, useSharedKafka } from '../support/kafka';

const kafka = useSharedKafka();

type Kind = 'oldest' | 'newest' | 'batch';

/** Each in a process of its own: nothing of this project is loaded there. */
const plain = (kind: Kind, topic: string, groupId: string = randomUUID()) =>
  startService(`docs/plain-kafkajs/${kind}.ts`, {
    KAFKA_BROKERS: kafka.broker.brokers,
    KAFKA_TOPIC: topic,
    GROUP_ID: groupId,
  });

/** Each offset that the lines of a plain client say was received. */
const plainOffsets = (lines: readonly string[]) =>
  lines.flatMap((line) => {
    const [, first, last] = /^Received: .*offsets? (\d+)(?:-(\d+))?\)$/.exec(line) ?? [];
    return first === undefined ? [] : range(Number(first), Number(last ?? first) + 1);
  });

test('the oldest replays, the newest begins later, the batch consumer has all: on a good day, as ours', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 5));
  const [oldest, newest, batch] = (['oldest', 'newest', 'batch'] as const).map((kind) =>
    plain(kind, topic),
  ) as [Recorded, Recorded, Recorded];
  // It says nothing of where it starts: it has, once something comes.
  let total = 5;
  await until('a message to the newest', async () => {
    await kafka.write(topic, messages(total, total + 1));
    total++;
    return plainOffsets(newest.lines).length > 0;
  });
  for (const one of [oldest, batch]) {
    await one.shows('all', (lines) => plainOffsets(lines).length === total);
    assert.deepEqual(plainOffsets(one.lines), range(0, total));
  }
  const [first = 0] = plainOffsets(newest.lines);
  assert.ok(first >= 5);
  await newest.shows('the rest', (lines) => plainOffsets(lines).at(-1) === total - 1);
  assert.deepEqual(plainOffsets(newest.lines), range(first, total));
  for (const one of [oldest, newest, batch]) assert.equal(await one.stop(), 0);
});

test('a batch is what a fetch has brought: as many as there are, or one', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 50));
  const batch = plain('batch', topic);
  await batch.line('50 at once', (line) => line === 'Received: 50 messages (partition 0, offsets 0-49)');
  await kafka.write(topic, messages(50, 51));
  await batch.line('one', (line) => line === 'Received: 1 messages (partition 0, offsets 50-50)');
});

test('nothing is committed before all that a fetch has brought is handled: killed in it, all of it comes again', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 15_000));
  const group = randomUUID();
  const oldest = plain('oldest', topic, group);
  // What it prints waits to be read, and more than a pipe holds stands still: so this is within the one fetch.
  oldest.child.stdout?.on(
    'data',
    (text) => String(text).includes('Received: ') && oldest.child.kill('SIGSTOP'),
  );
  await oldest.line('a message', (line) => line.startsWith('Received: '));
  assert.equal(await kafka.committed(group, topic), -1);
});

test('a log that ends with a transaction leaves a lag, also after all is handled and it was stopped', async () => {
  const topic = await kafka.createTopic();
  const producer = kafka.client.producer({
    transactionalId: randomUUID(),
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: messages(0, 3).map((value) => ({ value, partition: 0 })) });
  await transaction.commit();
  await producer.disconnect();
  const group = randomUUID();
  const oldest = plain('oldest', topic, group);
  await until('a commit', async () => (await kafka.committed(group, topic)) > 0);
  assert.equal(await oldest.stop(), 0);
  const [log] = await kafka.admin.fetchTopicOffsets(topic);
  assert.deepEqual([await kafka.committed(group, topic), Number(log?.high)], [3, 4]);
});

test('messages that are compressed with Snappy end it, with exit code 0', async () => {
  const topic = await kafka.createTopic(1, { 'compression.type': 'snappy' });
  await kafka.write(topic, messages(0, 5));
  const oldest = plain('oldest', topic);
  assert.equal((await oldest.exit).code, 0);
  assert.deepEqual(plainOffsets(oldest.lines), []);
  assert.match(oldest.errors.join('\n'), /Crash: KafkaJSNotImplemented: Snappy compression not implemented/);
});

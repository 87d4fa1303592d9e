/** What the README says of the three consumers, on a real broker. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { offsets, range, received, starts } from '../../harness/log';
import { type ServiceName, startService, until } from '../../harness/service';
import { messages, ofCoordinator, useSharedKafka } from '../support/kafka';
import { sideBySide } from '../support/side_by_side';

const kafka = useSharedKafka();

const start = (name: ServiceName, topic: string, settings: Record<string, string> = {}) =>
  startService(name, { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, ...settings });

/** The groups that have committed an offset of the topic. */
async function groupsOf(topic: string): Promise<string[]> {
  const { groups } = await ofCoordinator(() => kafka.admin.listGroups());
  const committed = await Promise.all(groups.map(({ groupId }) => kafka.committed(groupId, topic)));
  return groups.map(({ groupId }) => groupId).filter((_, index) => committed[index] !== -1);
}

test('the oldest replays the whole history, then follows', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 250));
  const oldest = start('consumer_from_oldest', topic);
  await oldest.shows('the history', (lines) => offsets(lines).length >= 250);
  await kafka.write(topic, messages(250, 260));
  await oldest.shows('what came after', (lines) => offsets(lines).length >= 260);
  assert.equal(await oldest.stop(), 0);
  assert.equal(oldest.lines[0], 'Starting at offset 0 (earliest, partition 0)');
  assert.deepEqual(offsets(oldest.lines), range(0, 260));
  assert.equal(oldest.lines.length, 261, 'nothing else on standard output');
  assert.deepEqual(oldest.errors, []);
});

test('the newest skips the history, and misses nothing after its Starting line', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 30));
  const newest = start('consumer_from_newest', topic);
  await newest.line('the start', (line) => line.startsWith('Starting'));
  await kafka.write(topic, messages(30, 40));
  await newest.shows('ten messages', (lines) => offsets(lines).length >= 10);
  assert.equal(await newest.stop(), 0);
  assert.equal(newest.lines[0], 'Starting at offset 30 (latest, partition 0)');
  assert.deepEqual(offsets(newest.lines), range(30, 40));
});

test('AUTO_OFFSET_RESET turns the one into the other', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 7));
  const services = [
    start('consumer_from_oldest', topic, { AUTO_OFFSET_RESET: 'latest' }),
    start('consumer_batch_message', topic, { AUTO_OFFSET_RESET: 'latest' }),
    start('consumer_from_newest', topic, { AUTO_OFFSET_RESET: 'earliest' }),
  ];
  for (const service of services) await service.line('the start', (line) => line.startsWith('Starting'));
  assert.deepEqual(
    services.map(({ lines }) => lines[0]),
    [
      'Starting at offset 7 (latest, partition 0)',
      'Starting at offset 7 (latest, partition 0)',
      'Starting at offset 0 (earliest, partition 0)',
    ],
  );
});

test('a batch ends when it is full, never larger, whatever one fetch brings', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 1000));
  const batch = start('consumer_batch_message', topic, { BATCH_SIZE: '7', BATCH_WAIT_MS: '600000' });
  await batch.shows('142 full batches', (lines) => received(lines).length >= 142);
  assert.equal(await batch.stop(), 0);
  const batches = received(batch.lines);
  assert.deepEqual(offsets(batch.lines), range(0, 1000));
  assert.ok(batches.slice(0, 142).every(({ messages, ending }) => messages === 7 && ending === 'full'));
  assert.deepEqual(
    batches.slice(142).map(({ messages, ending }) => [messages, ending]),
    [[6, 'stopping']],
  );
});

test('a batch ends after BATCH_WAIT_MS from its first message', async () => {
  const topic = await kafka.createTopic();
  const batch = start('consumer_batch_message', topic, { BATCH_SIZE: '100', BATCH_WAIT_MS: '700' });
  await batch.line('the start', (line) => line.startsWith('Starting'));
  await kafka.write(topic, messages(0, 3));
  const line = await batch.line('a batch', (text) => text.startsWith('Received'));
  assert.match(line, /\(3 messages, partition 0, offsets 0-2, up to .* old, waited \d+ ms\)$/);
  const waited = Number(/waited (\d+) ms/.exec(line)?.[1]);
  assert.ok(waited >= 700, `${waited} ms`);
  await kafka.write(topic, messages(3, 4));
  const one = await batch.line('a batch of one', (text) => text.includes('(1 message,'));
  assert.match(one, /\(1 message, partition 0, offset 3, up to .* old, waited \d+ ms\)$/);
});

test('while the handler is busy a batch goes on gathering, beyond its wait and up to its size', async () => {
  const topic = await kafka.createTopic();
  const settings = { BATCH_SIZE: '50', BATCH_WAIT_MS: '50', HANDLER_DELAY_MS: '8000' };
  const batch = start('consumer_batch_message', topic, settings);
  await batch.line('the start', (line) => line.startsWith('Starting'));
  await kafka.write(topic, messages(0, 1));
  await batch.shows('the first batch', (lines) => offsets(lines).length === 1);
  for (const n of range(1, 11)) await kafka.write(topic, messages(n, n + 1));
  await batch.shows('the rest', (lines) => offsets(lines).length === 11);
  assert.equal(received(batch.lines).length, 2);
});

test('a batch lists ten messages at the most', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 50));
  const batch = start('consumer_batch_message', topic, { BATCH_SIZE: '50' });
  const line = await batch.line('the batch', (text) => text.startsWith('Received'));
  assert.match(line, /"n":9\}, … 40 more\] \(50 messages, partition 0, offsets 0-49, up to .* old, full\)$/);
});

test('each partition has a batch of its own, in order', async () => {
  const topic = await kafka.createTopic(3);
  for (const partition of range(0, 3)) await kafka.write(topic, messages(0, 20), partition);
  const batch = start('consumer_batch_message', topic, { BATCH_SIZE: '8', BATCH_WAIT_MS: '500' });
  await batch.shows('all', (lines) =>
    range(0, 3).every((partition) => offsets(lines, partition).length >= 20),
  );
  assert.deepEqual(
    starts(batch.lines)
      .map(({ partition }) => partition)
      .sort(),
    [0, 1, 2],
  );
  for (const partition of range(0, 3)) {
    assert.deepEqual(offsets(batch.lines, partition), range(0, 20));
    const sizes = received(batch.lines).filter((one) => one.partition === partition);
    assert.deepEqual(
      sizes.map(({ messages, ending }) => [messages, ending]),
      [
        [8, 'full'],
        [8, 'full'],
        [4, 'waited'],
      ],
    );
  }
});

test('a value that is no message is one Skipped line, and a hole in the offsets of a batch', async () => {
  const topic = await kafka.createTopic();
  const [first, last] = messages(0, 2) as [string, string];
  const clear = '\u001b[2J\u001b[31m\u0007';
  const odd = [
    null,
    '',
    Buffer.from([0xff, 0xfe, 0x41]),
    '{"current_time":"2026-01-02',
    '[1]',
    '{"current_time":"yesterday"}',
    clear,
    'x'.repeat(900_000),
  ];
  await kafka.write(topic, [first, ...odd, last]);
  const oldest = start('consumer_from_oldest', topic);
  const batch = start('consumer_batch_message', topic, { BATCH_SIZE: '2' });
  await oldest.shows('both messages', (lines) => received(lines).length >= 2);
  await batch.shows('the batch', (lines) => received(lines).length >= 1);
  assert.deepEqual(offsets(oldest.lines), [0, 9]);
  assert.deepEqual(received(batch.lines), [
    { values: [first, last], partition: 0, first: 0, last: 9, messages: 2, ending: 'full' },
  ]);
  const skipped = [
    'null (partition 0, offset 1, no value)',
    ' (partition 0, offset 2, empty value)',
    '\uFFFD\uFFFDA (partition 0, offset 3, not UTF-8)',
    '{"current_time":"2026-01-02 (partition 0, offset 4, not JSON)',
    '[1] (partition 0, offset 5, not a JSON object)',
    '{"current_time":"yesterday"} (partition 0, offset 6, no current_time of the form YYYY-MM-DD HH:MM:SS)',
    '\\u001b[2J\\u001b[31m\\u0007 (partition 0, offset 7, not JSON)',
    `${'x'.repeat(60)}… (partition 0, offset 8, not JSON)`,
  ].map((text) => `Skipped: ${text}`);
  for (const { lines } of [oldest, batch])
    assert.deepEqual(
      lines.filter((line) => !/^(Starting|Received)/.test(line)),
      skipped,
    );
});

test('the offset after a skipped value is committed, be the batch before it still in the making or not', async () => {
  const topic = await kafka.createTopic();
  const groupId = randomUUID();
  await kafka.write(topic, ['odd']);
  start('consumer_batch_message', topic, { GROUP_ID: groupId, BATCH_SIZE: '10', BATCH_WAIT_MS: '1500' });
  await until('the commit past the odd one', async () => (await kafka.committed(groupId, topic)) === 1);
  await kafka.write(topic, [...messages(0, 1), 'odd']);
  await until('the commit past both', async () => (await kafka.committed(groupId, topic)) === 3);
});

test('one by one, what is handled is committed within a second, with nothing more coming', async () => {
  const topic = await kafka.createTopic();
  const groupId = randomUUID();
  await kafka.write(topic, messages(0, 42));
  const oldest = start('consumer_from_oldest', topic, { GROUP_ID: groupId });
  await oldest.shows('42 messages', (lines) => offsets(lines).length >= 42);
  await until('the commit', async () => (await kafka.committed(groupId, topic)) === 42);
});

test('one by one, commits stay at most 100 messages behind a slow handler', async () => {
  const topic = await kafka.createTopic();
  const groupId = randomUUID();
  await kafka.write(topic, messages(0, 400));
  const oldest = start('consumer_from_oldest', topic, { GROUP_ID: groupId, HANDLER_DELAY_MS: '5' });
  await oldest.shows('300 messages', (lines) => offsets(lines).length >= 300);
  // Both read without a pause: what is printed by now was handled, but for the last, and 100 at most of it waits.
  const handled = offsets(oldest.lines).length - 1;
  const committed = await kafka.committed(groupId, topic);
  assert.ok(
    committed >= handled - 100 && committed <= offsets(oldest.lines).length,
    `${committed} of ${handled}`,
  );
});

test('a batch in the making is not committed; a whole one is', async () => {
  const topic = await kafka.createTopic();
  const groupId = randomUUID();
  await kafka.write(topic, messages(0, 13));
  const settings = { GROUP_ID: groupId, BATCH_SIZE: '5', BATCH_WAIT_MS: '600000' };
  const batch = start('consumer_batch_message', topic, settings);
  await until('the commit of two batches', async () => (await kafka.committed(groupId, topic)) === 10);
  assert.equal(await batch.stop('SIGKILL'), null);
  assert.equal(await kafka.committed(groupId, topic), 10);
});

test('a fixed GROUP_ID resumes where it committed, and is left at once', async () => {
  await sideBySide(
    ['consumer_from_oldest', 'consumer_from_newest', 'consumer_batch_message'] as const,
    async (name) => {
      const topic = await kafka.createTopic();
      const groupId = `group-${randomUUID()}`;
      const settings = { GROUP_ID: groupId, AUTO_OFFSET_RESET: 'earliest' };
      await kafka.write(topic, messages(0, 8));
      const first = start(name, topic, settings);
      await first.shows('a message', (lines) => offsets(lines).length >= 1);
      assert.equal(await first.stop(), 0);
      const { groups } = await kafka.admin.describeGroups([groupId]);
      assert.equal(groups[0]?.state, 'Empty');
      await kafka.write(topic, messages(8, 12));
      const handled = offsets(first.lines).length;
      const second = start(name, topic, settings);
      await second.shows('the rest', (lines) => offsets(lines).length >= 12 - handled);
      await second.stop();
      assert.equal(
        second.lines[0],
        `Resuming at offset ${handled} (committed by group ${groupId}, partition 0)`,
      );
      assert.deepEqual(offsets(first.lines).concat(offsets(second.lines)), range(0, 12));
    },
  );
});

test('a group named by chance is deleted on a clean stop', async () => {
  const topic = await kafka.createTopic();
  const newest = start('consumer_from_newest', topic);
  const [group] = await until('its group', async () => {
    const groups = await groupsOf(topic);
    return groups.length > 0 && groups;
  });
  assert.match(group as string, /^consumer_from_newest-/);
  assert.equal(await newest.stop(), 0);
  assert.deepEqual(await groupsOf(topic), []);
});

test('two members share the partitions, and what one leaves the other takes up: nothing lost', async () => {
  await sideBySide(['consumer_from_oldest', 'consumer_batch_message'] as const, async (name) => {
    const topic = await kafka.createTopic(4);
    const settings = { GROUP_ID: randomUUID(), BATCH_SIZE: '3', BATCH_WAIT_MS: '300' };
    const write = async (from: number, to: number) => {
      for (const partition of range(0, 4)) await kafka.write(topic, messages(from, to), partition);
    };
    await write(0, 20);
    const first = start(name, topic, settings);
    await first.shows('the history', (lines) => offsets(lines, 3).length >= 20);
    const second = start(name, topic, settings);
    await second.shows('its share', (lines) => starts(lines).length === 2);
    await write(20, 40);
    await second.shows('new messages', (lines) =>
      starts(lines).every(({ partition }) => offsets(lines, partition).includes(39)),
    );
    assert.equal(await second.stop(), 0);
    await write(40, 50);
    await first.shows('all', (lines) =>
      range(0, 4).every((partition) => offsets(lines, partition).includes(49)),
    );
    for (const partition of range(0, 4)) {
      const all = [...offsets(first.lines, partition), ...offsets(second.lines, partition)];
      assert.deepEqual(
        [...new Set(all)].sort((a, b) => a - b),
        range(0, 50),
        `partition ${partition}`,
      );
    }
    await first.stop();
  });
});

test('a member without a partition says so', async () => {
  const topic = await kafka.createTopic();
  const settings = { GROUP_ID: randomUUID() };
  const first = start('consumer_from_newest', topic, settings);
  await first.line('the start', (line) => line.startsWith('Starting'));
  const second = start('consumer_from_newest', topic, settings);
  await until('one without', () =>
    [first, second].some(({ lines }) => lines.includes('No partitions assigned')),
  );
});

test('a handler slower than the session time-out keeps its membership, and its batch', async () => {
  const topic = await kafka.createTopic();
  const groupId = randomUUID();
  await kafka.write(topic, messages(0, 10));
  const settings = { GROUP_ID: groupId, HANDLER_DELAY_MS: '12000', BATCH_SIZE: '5' };
  const batch = start('consumer_batch_message', topic, settings);
  await until('the first commit', async () => (await kafka.committed(groupId, topic)) === 5);
  await batch.shows('the second batch', (lines) => received(lines).length >= 2);
  assert.deepEqual(offsets(batch.lines), range(0, 10), 'nothing came again');
});

/** Writes a message to a topic that was just made: not every broker need know of it. */
const writeToNew = (topic: string) =>
  until('the message written', () =>
    kafka.write(topic, messages(0, 1)).then(
      () => true,
      () => false,
    ),
  );

test('a topic deleted while a batch is handled is made anew, and read, though its commit waits in vain', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 10));
  const batch = start('consumer_batch_message', topic, { BATCH_SIZE: '1', HANDLER_DELAY_MS: '1000' });
  await batch.line('the first batch', (line) => line.startsWith('Received: '));
  await kafka.admin.deleteTopics({ topics: [topic] });
  const anew = (line: string) => line === `Topic ${topic} made anew: somebody has deleted it`;
  await batch.line('the topic made anew', anew);
  await writeToNew(topic);
  const since = batch.lines.findIndex(anew);
  await batch.line('it', (line) => line.includes('offset 0,') || line.includes('offsets 0-0'), since);
  assert.equal(await batch.stop(), 0);
});

test('a topic made anew with fewer partitions is shared out anew, and read', async () => {
  const topic = await kafka.createTopic(3);
  const oldest = start('consumer_from_oldest', topic);
  await oldest.shows('its partitions', (lines) => starts(lines).length === 3);
  await kafka.admin.deleteTopics({ topics: [topic] });
  await oldest.line('the topic made anew', (line) => line.startsWith('Topic '));
  await writeToNew(topic);
  await oldest.shows('it', (lines) => offsets(lines).length === 1);
  assert.equal(await oldest.stop(), 0);
});

test('a topic deleted and created again under a running consumer is read from its beginning', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 20));
  const oldest = start('consumer_from_oldest', topic);
  await oldest.shows('the history', (lines) => offsets(lines).length >= 20);
  const seen = oldest.lines.length;
  await kafka.admin.deleteTopics({ topics: [topic] });
  await oldest.line('the new start', (line) => line.startsWith('Starting at offset 0'), seen);
  await kafka.write(topic, messages(0, 5));
  await oldest.shows('the new messages', (lines) => offsets(lines.slice(seen)).length >= 5);
  assert.deepEqual(offsets(oldest.lines.slice(seen)), range(0, 5));
});

/** The live view on a real Kafka: its figures are those of Kafka's own tools, and nobody notices that it looks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CompressionTypes, Kafka, logLevel, Partitioners } from 'kafkajs';
import { offsets } from '../../harness/log';
import { startService, until } from '../../harness/service';
import { openView } from '../../harness/view';
import { freePort } from '../../local/broker';
import type { Picture } from '../../view/picture';
import { messages, ofCoordinator, useKafka } from '../support/kafka';
import { pace } from '../support/pace';
import { kafkaTool } from '../support/tools';

const kafka = useKafka();

const startView = (topic: string, settings: Record<string, string> = {}) =>
  openView({ KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, ...settings });

const isSilent = ({ silence }: Picture) => silence !== undefined && silence.until === undefined;

/** What one of Kafka's tools prints, as rows of words. */
async function rowsOf(
  ...[name, ...args]: [Parameters<typeof kafkaTool>[0], ...string[]]
): Promise<string[][]> {
  const printed = await kafkaTool(name, kafka.broker.brokers, ...args);
  return printed
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.trim().split(/\s+/));
}

const consumerGroups = (...args: string[]) => rowsOf('kafka-consumer-groups', ...args);

/** The offsets of each partition that kafka-get-offsets prints. */
async function getOffsets(topic: string, time: 'earliest' | 'latest'): Promise<Map<string, number>> {
  const rows = await rowsOf('kafka-get-offsets', '--topic', topic, '--time', time);
  return new Map(rows.map(([row = '']) => row.split(':')).map(([, id = '', offset]) => [id, Number(offset)]));
}

test('every figure is that of kafka-consumer-groups and kafka-get-offsets', async () => {
  const topic = await kafka.createTopic(3);
  for (const partition of [0, 1, 2]) await kafka.write(topic, messages(0, 10 + partition), partition);
  // kafkajs looks for the leaders in what it knows of the topic, and finds that out here.
  await kafka.admin.fetchTopicOffsets(topic);
  await kafka.admin.deleteTopicRecords({ topic, partitions: [{ partition: 2, offset: '4' }] });
  // One group that reads, with two members; one that has been left behind, with nobody there.
  const settings = { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, GROUP_ID: 'reading' };
  const members = [
    startService('consumer_from_oldest', settings),
    startService('consumer_from_oldest', settings),
  ];
  await kafka.admin.setOffsets({
    groupId: 'behind',
    topic,
    partitions: [
      { partition: 0, offset: '3' },
      { partition: 2, offset: '12' },
    ],
  });
  const view = await startView(topic);
  const close = await view.look(topic);
  const state = await until('two members with all read', async () => {
    const seen = await view.state();
    const { reading, behind } = seen.picture.groups;
    const dealt = Object.values(reading?.members ?? {}).filter(({ partitions }) => partitions.length > 0);
    return (
      dealt.length === 2 && reading?.state === 'Stable' && reading.lag === 0 && behind?.lag === 7 && seen
    );
  });
  const { partitions, groups, brokers } = state.picture;

  const [earliest, latest] = [await getOffsets(topic, 'earliest'), await getOffsets(topic, 'latest')];
  assert.deepEqual(Object.keys(partitions), ['0', '1', '2']);
  for (const [id, { start, end, stable }] of Object.entries(partitions)) {
    assert.equal(start, earliest.get(id), `first offset of partition ${id}`);
    assert.equal(end, latest.get(id), `next offset of partition ${id}`);
    assert.equal(stable, undefined);
  }
  assert.equal(partitions[2]?.start, 4);

  // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID
  const rows = (await consumerGroups('--describe', '--all-groups', '--offsets')).filter(
    (row) => row[1] === topic,
  );
  const compared = rows.map(
    ([group = '', , partition = '', current, end, lag, member = '', host, client]) => {
      const shown = groups[group];
      const offset = shown?.offsets[partition];
      const what = `${group}, partition ${partition}`;
      assert.equal(String(offset?.committed ?? '-'), current, what);
      assert.equal(String(partitions[partition]?.end), end, what);
      assert.equal(String(offset?.lag ?? '-'), lag, what);
      if (member === '-') assert.deepEqual(shown?.members, {}, what);
      else {
        assert.ok(shown?.members[member]?.partitions.includes(Number(partition)), what);
        assert.equal(`/${shown?.members[member]?.host}`, host, what);
        assert.equal(shown?.members[member]?.client, client, what);
      }
      return what;
    },
  );
  assert.equal(compared.length, 5, 'three of the one group, two of the other');
  const shownOffsets = Object.values(groups).flatMap((group) => Object.keys(group.offsets));
  assert.equal(shownOffsets.length, 5, 'and no more');

  // GROUP COORDINATOR (ID) ASSIGNMENT-STRATEGY STATE #MEMBERS; the strategy is absent of an empty group.
  const states = await consumerGroups('--describe', '--all-groups', '--state');
  for (const [id, { state: shown, coordinator, members: shownMembers }] of Object.entries(groups)) {
    const row = states.find(([group]) => group === id) ?? [];
    assert.equal(`(${coordinator})`, row[2]);
    assert.equal(shown, row.at(-2));
    assert.equal(String(Object.keys(shownMembers).length), row.at(-1));
  }

  const { topics } = await kafka.admin.fetchTopicMetadata({ topics: [topic] });
  for (const { partitionId, leader, isr, replicas } of topics[0]?.partitions ?? []) {
    const { leader: shownLeader, isr: shownIsr, replicas: shownReplicas } = partitions[partitionId] ?? {};
    assert.deepEqual([shownLeader, shownIsr, shownReplicas], [leader, isr, replicas]);
  }
  assert.deepEqual(brokers, { 1: { host: 'localhost', port: kafka.broker.port } });
  assert.ok(state.topics.includes(topic) && !state.topics.includes('__consumer_offsets'));

  close();
  for (const member of members) assert.equal(await member.stop(), 0);
  assert.equal(await view.service.stop(), 0);
});

test('each message is shown with its value and its time, and the age is that of the oldest unread one', async () => {
  const topic = await kafka.createTopic();
  const before = Date.now();
  await kafka.write(topic, messages(0, 300));
  const after = Date.now();
  await kafka.admin.setOffsets({ groupId: 'far-behind', topic, partitions: [{ partition: 0, offset: '7' }] });
  const view = await startView(topic);
  await view.look(topic);
  const { picture } = await until('the age', async () => {
    const seen = await view.state();
    return seen.picture.groups['far-behind']?.offsets[0]?.oldest !== undefined && seen;
  });
  const { oldest = 0, lag } = picture.groups['far-behind']?.offsets[0] ?? {};
  assert.equal(lag, 293);
  assert.ok(oldest >= before && oldest <= after, 'though it was never among the newest');
  await kafka.write(topic, messages(300, 302));
  const shown = await until('the new ones', async () => {
    const kept = (await view.state()).messages[0] ?? [];
    return kept.at(-1)?.offset === 301 && kept;
  });
  assert.deepEqual(
    shown.slice(-2).map(({ value }) => value),
    messages(300, 302),
  );
  assert.equal(await view.service.stop(), 0);
});

test('what a broker may hold is shown, or passed over: it is no reason to stop', async () => {
  const topic = await kafka.createTopic();
  const odd = [
    '',
    null,
    '\u0000\u001b[2J\u202e',
    Buffer.from([0xff, 0xfe, 0x00]),
    '<img src=x onerror=alert(1)>',
    'x'.repeat(900_000),
  ];
  for (const value of odd) await kafka.write(topic, [value]);
  const client = new Kafka({ brokers: [kafka.broker.brokers], logLevel: logLevel.NOTHING });
  const producer = client.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    transactionalId: topic,
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await producer.connect();
  // The first is small only while it is packed. Each transaction ends with a marker that is no message.
  for (const value of [Buffer.alloc(8_000_000), 'packed']) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value }], compression: CompressionTypes.GZIP });
    await transaction.commit();
  }
  await producer.disconnect();
  const view = await startView(topic);
  await view.look(topic);
  const shown = await until('the last one', async () => {
    const kept = (await view.state()).messages[0] ?? [];
    return kept.at(-1)?.offset === odd.length + 2 && kept;
  });
  assert.deepEqual(
    shown.map(({ offset, value, bytes }) => [offset, value?.slice(0, 40), bytes]),
    [
      [0, '', 0],
      [1, undefined, 0],
      [2, '\\u0000\\u001b[2J\\u202e', 8],
      [3, '\ufffd\ufffd\\u0000', 3],
      [4, '<img src=x onerror=alert(1)>', 28],
      [5, 'x'.repeat(40), 900_000],
      [odd.length, '\\u0000'.repeat(7).slice(0, 40), 8_000_000],
      [odd.length + 2, 'packed', 6],
    ],
  );
  assert.equal(await view.service.stop(), 0);
});

test('of a packed batch of very many messages the latest are shown', async () => {
  const topic = await kafka.createTopic(1, { 'max.message.bytes': '10000000' });
  const view = await startView(topic);
  await view.look(topic);
  await until('its partition', async () => (await view.state()).picture.partitions[0]?.end === 0);
  const producer = kafka.client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const many = Array.from({ length: 30_000 }, (_, offset) => ({ value: `${offset}`.padStart(100) }));
  await producer.send({ topic, messages: many, compression: CompressionTypes.GZIP });
  await producer.disconnect();
  const shown = await until('the last one', async () => {
    const kept = (await view.state()).messages[0] ?? [];
    return kept.at(-1)?.offset === many.length - 1 && kept;
  });
  assert.ok(shown.length <= 2400, `${shown.length}`);
  assert.deepEqual(
    shown.slice(-2).map(({ value }) => value?.trim()),
    ['29998', '29999'],
  );
  assert.equal(await view.service.stop(), 0);
});

test('it looks at what is not there without making it: no topic, no group', async () => {
  const topic = await kafka.createTopic();
  const missing = `${topic}-missing`;
  const view = await startView(topic);
  const close = await view.look(missing);
  await until('the missing topic', async () => (await view.state(missing)).picture.missing !== undefined);
  const { groups } = await ofCoordinator(() => kafka.admin.listGroups());
  assert.ok(groups.every(({ groupId }) => !groupId.includes('view')));
  assert.ok(!(await kafka.admin.listTopics()).includes(missing));
  await kafka.admin.createTopics({ topics: [{ topic: missing, numPartitions: 2 }] });
  await kafka.write(missing, messages(0, 3), 1);
  await until('the topic', async () => (await view.state(missing)).picture.partitions[1]?.end === 3);
  assert.equal((await view.state(missing)).picture.missing, undefined);
  close();
  assert.equal(await view.service.stop(), 0);
});

test('a group appears by itself, its commits are seen, its rewind is marked, and it fades', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 9));
  const written = Date.now();
  const view = await startView(topic);
  const close = await view.look(topic);
  await until('the log', async () => (await view.state()).picture.partitions[0]?.end === 9);
  // What is sent within a second before a group's first commit is new to it, and not replayed.
  await until('a history', () => Date.now() - written > 1000);
  const settings = { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, GROUP_ID: 'appearing' };
  const consumer = startService('consumer_from_oldest', settings);
  const offset = async () => (await view.state()).picture.groups.appearing?.offsets[0];
  await until('its commit', async () => (await offset())?.committed === 9);
  assert.equal(await consumer.stop(), 0);
  await until('nobody there', async () => (await view.state()).picture.groups.appearing?.state === 'Empty');
  await kafka.admin.setOffsets({ groupId: 'appearing', topic, partitions: [{ partition: 0, offset: '4' }] });
  await until('the mark', async () => (await offset())?.again?.to === 9);
  const again = startService('consumer_from_oldest', settings);
  await again.shows('the five again', (lines) => offsets(lines).length === 5);
  await until(
    'the end of it',
    async () => (await offset())?.again === undefined && (await offset())?.committed === 9,
  );
  assert.equal(await again.stop(), 0);
  await until('a group to be deleted', () =>
    kafka.admin.deleteGroups(['appearing']).then(
      () => true,
      () => false,
    ),
  );
  await until('the end', async () => (await view.state()).picture.groups.appearing?.gone !== undefined);
  const told = (await view.state()).happenings.map(({ text }) => text);
  for (const sentence of [
    /^appearing starts; member a reads partition 0; began at 0: replayed 9$/,
    // Or 4, and what comes again in the same sentence: who has gone may be known only once the rewind is seen, too.
    /^appearing: a left; no member: Kafka keeps its place, (9$|4;)/,
    /^appearing: .*the committed offset of partition 0 goes back from 9 to 4: those 5 messages come again/,
    /^appearing is gone: /,
  ])
    assert.ok(
      told.some((text) => sentence.test(text)),
      `${sentence}: ${told.join('\n')}`,
    );
  assert.ok(!told.some((text) => text.includes('given up')), `all have left: ${told.join('\n')}`);
  close();
  assert.equal(await view.service.stop(), 0);
});

test('a broker that goes away and comes back is shown, and survived', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 3));
  const view = await startView(topic);
  const close = await view.look(topic);
  await until('the log', async () => (await view.state()).picture.partitions[0]?.end === 3);
  await kafka.broker.stopKafka();
  const { picture } = await until('the silence', async () => {
    const seen = await view.state();
    return isSilent(seen.picture) && seen;
  });
  assert.equal(picture.partitions[0]?.end, 3, 'what was known is still shown');
  await view.service.line('the silence', (line) => /^Kafka does not answer: .*; asking again/.test(line));
  await kafka.broker.startKafka();
  await until('the answer', async () => !isSilent((await view.state()).picture));
  await kafka.write(topic, messages(3, 5));
  await until('the new messages', async () => (await view.state()).messages[0]?.at(-1)?.offset === 4);
  const told = (await view.state()).happenings.map(({ text }) => text);
  assert.ok(told.some((text) => /^Kafka did not answer for /.test(text)));
  assert.ok(!told.some((text) => /was deleted|is gone/.test(text)), told.join('\n'));
  assert.deepEqual(
    view.service.lines.map((line) => line.replace(/: .*;/, ':')),
    [
      `The live view is at http://localhost:${view.port}`,
      'Kafka does not answer: asking again until it does',
      'Kafka answers',
    ],
  );
  close();
  assert.equal(await view.service.stop(), 0);
});

test('it ends at once, with exit code 0, also with a page open, and with the broker away', async () => {
  const topic = await kafka.createTopic();
  for (const KAFKA_BROKERS of [kafka.broker.brokers, `localhost:${await freePort()}`]) {
    const view = await startView(topic, { KAFKA_BROKERS });
    await view.look(topic);
    const slow = pace();
    const begin = Date.now();
    assert.equal(await view.service.stop(), 0);
    const took = Date.now() - begin;
    assert.ok(took < 1000 * (await slow), `${took} ms`);
    assert.deepEqual(view.service.errors, []);
  }
});

test('bad settings, and a port that is taken, end it with exit code 1 and one line each', async () => {
  const bad = startService('live_view', { KAFKA_BROKERS: 'nowhere', VIEW_PORT: '0', KAFKA_TOPIC: '.' });
  assert.equal((await bad.exit).code, 1);
  assert.equal(bad.errors.length, 3);
  assert.ok(
    bad.errors.some((line) => line.startsWith('VIEW_PORT is "0": a whole number from 1 to 65535 is needed')),
  );
  const view = await startView('t');
  const other = startService('live_view', {
    KAFKA_BROKERS: kafka.broker.brokers,
    VIEW_PORT: String(view.port),
  });
  assert.equal((await other.exit).code, 1);
  assert.deepEqual(other.errors, [
    `Port ${view.port} is taken: stop what listens there, or choose another VIEW_PORT`,
  ]);
  assert.equal(await view.service.stop(), 0);
});

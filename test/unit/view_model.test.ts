/** What the live view makes of Kafka's answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Model } from '../../view/model';
import type { ClusterAnswer, GroupAnswer, LogAnswer, LogRecord } from '../../view/reader';

const cluster = (partitions = 1, more: Partial<ClusterAnswer> = {}): ClusterAnswer => ({
  controller: 1,
  brokers: [{ id: 1, host: 'kafka', port: 29092 }],
  topics: [
    {
      topic: 't',
      error: 0,
      internal: false,
      partitions: Array.from({ length: partitions }, (_, id) => ({ id, leader: 1, replicas: [1], isr: [1] })),
    },
  ],
  ...more,
});

const log = (end: number, records: LogRecord[] = [], more: Partial<LogAnswer> = {}): LogAnswer => ({
  partition: 0,
  error: 0,
  start: 0,
  end,
  stable: end,
  records,
  next: undefined,
  ...more,
});

const record = (offset: number, value: string | null = `{"n":${offset}}`): LogRecord => ({
  offset,
  timestamp: 1000 * offset,
  key: null,
  value: value === null ? null : Buffer.from(value),
});

/** Each member as its id, and the partitions that it has. */
const group = (members: Record<string, number[]>, more: Partial<GroupAnswer> = {}): GroupAnswer => ({
  id: 'pair',
  state: 'Stable',
  coordinator: 1,
  members: Object.entries(members).map(([id, partitions]) => ({
    id,
    client: 'c',
    host: '10.0.0.1',
    topics: ['t'],
    assignment: Object.fromEntries(partitions.length > 0 ? [['t', partitions]] : []),
  })),
  ...more,
});

/** A model that has had its first look: from then on, what it tells has happened. */
function seen(partitions = 1, end = 10): Model {
  const model = new Model('t', 0);
  model.cluster(cluster(partitions), 0);
  model.groups([], 0);
  model.commits([], true);
  model.log(
    Array.from({ length: partitions }, (_, partition) => log(end, [], { partition })),
    0,
  );
  assert.deepEqual(model.takeNews(0).happenings, []);
  return model;
}

const sentences = (model: Model, now = 0) => model.takeNews(now).happenings.map(({ text }) => text);

test('what is there at the first look has not just happened', () => {
  const model = new Model('t', 0);
  model.cluster(cluster(2), 0);
  model.groups([group({ a: [0, 1] })], 0);
  model.committed('pair', { t: { 0: 3 } }, 1, 0);
  model.log([log(10)], 0);
  assert.deepEqual(sentences(model), []);
  assert.deepEqual(model.picture.groups.pair?.members.a, {
    letter: 'a',
    client: 'c',
    host: '10.0.0.1',
    partitions: [0, 1],
  });
});

test('the lag is the distance from what is committed to the end, of each partition and of all', () => {
  const model = seen(2);
  model.groups([group({ a: [0, 1] })], 0);
  model.committed('pair', { t: { 0: 7, 1: 10 }, other: { 0: 1 } }, 1, 0);
  model.log([log(12), log(10, [], { partition: 1 })], 0);
  const { offsets, lag } = model.picture.groups.pair ?? {};
  assert.deepEqual(offsets, { 0: { committed: 7, lag: 5 }, 1: { committed: 10, lag: 0 } });
  assert.equal(lag, 5);
});

test('an offset beyond the end, of a topic that was made anew, is no lag below 0', () => {
  const model = seen();
  model.groups([group({ a: [0] })], 0);
  model.committed('pair', { t: { 0: 70 } }, 1, 0);
  model.log([log(10)], 0);
  assert.equal(model.picture.groups.pair?.offsets[0]?.lag, 0);
});

test('the age is that of the message at the committed offset, and there is none where all is read', () => {
  const model = seen();
  model.groups([group({ a: [0] })], 0);
  model.committed('pair', { t: { 0: 11 } }, 1, 0);
  model.log([log(13, [record(10), record(11), record(12)])], 0);
  assert.equal(model.picture.groups.pair?.offsets[0]?.oldest, 11_000);
  assert.deepEqual(model.withoutAge(), []);
  model.committed('pair', { t: { 0: 13 } }, 1, 0);
  model.log([log(13)], 0);
  assert.equal(model.picture.groups.pair?.offsets[0]?.oldest, undefined);
});

test('where the message was not seen, its age is asked for, and kept until the next one is known', () => {
  const model = seen();
  model.groups([group({ a: [0] })], 0);
  model.committed('pair', { t: { 0: 2 } }, 1, 0);
  model.log([log(10)], 0);
  assert.deepEqual(model.withoutAge(), [{ group: 'pair', offsets: [{ partition: 0, offset: 2 }] }]);
  model.oldest('pair', 0, 2, 2000);
  assert.deepEqual(model.withoutAge(), []);
  assert.equal(model.picture.groups.pair?.offsets[0]?.oldest, 2000);
  model.committed('pair', { t: { 0: 3 } }, 1, 0);
  model.log([log(10)], 0);
  assert.equal(model.picture.groups.pair?.offsets[0]?.oldest, 2000);
  assert.deepEqual(model.withoutAge(), [{ group: 'pair', offsets: [{ partition: 0, offset: 3 }] }]);
});

test('a record without a timestamp has no age', () => {
  const model = seen();
  model.groups([group({ a: [0] })], 0);
  model.committed('pair', { t: { 0: 10 } }, 1, 0);
  model.log([log(11, [{ ...record(10), timestamp: -1 }])], 0);
  assert.equal(model.picture.groups.pair?.offsets[0]?.oldest, undefined);
});

test('an offset that goes back says what is delivered again, and marks it until it is passed', () => {
  const model = seen();
  model.groups([group({ a: [0] })], 0);
  model.committed('pair', { t: { 0: 9 } }, 1, 0);
  sentences(model);
  model.committed('pair', { t: { 0: 4 } }, 1, 0);
  assert.deepEqual(sentences(model), [
    'pair: the committed offset of partition 0 goes back from 9 to 4: 5 messages are delivered again',
  ]);
  assert.equal(model.picture.groups.pair?.offsets[0]?.again, 9);
  model.committed('pair', { t: { 0: 8 } }, 1, 0);
  assert.equal(model.picture.groups.pair?.offsets[0]?.again, 9);
  model.committed('pair', { t: { 0: 9 } }, 1, 0);
  assert.equal(model.picture.groups.pair?.offsets[0]?.again, undefined);
  assert.deepEqual(sentences(model), []);
});

test('a new group, its members, its partitions and its first commit are told in plain sentences', () => {
  const model = seen(2);
  model.groups([group({ x: [0, 1] })], 0);
  model.commits([{ group: 'pair', topic: 't', partition: 1, offset: 6, at: 1 }], true);
  model.committed('pair', { t: { 1: 6 } }, 1, 0);
  assert.deepEqual(sentences(model), [
    'pair is a new group',
    'pair: a joined (c at 10.0.0.1)',
    'pair: partitions 0 to 1 go to a',
    'pair: its first commit of partition 1 is offset 6: 4 messages to catch up with',
  ]);
});

test('what a group began with is its first commit, though it has committed more by the time it is asked', () => {
  const model = seen(3);
  model.groups([group({ x: [0, 1, 2] })], 0);
  sentences(model);
  const commit = (partition: number, offset: number, topic = 't') => ({
    group: 'pair',
    topic,
    partition,
    offset,
    at: 1,
  });
  model.commits([commit(0, 0), commit(1, 10), commit(0, 5), commit(2, 3, 'other'), commit(0, 9)], true);
  model.committed('pair', { t: { 0: 9, 1: 10 } }, 1, 0);
  assert.deepEqual(sentences(model), [
    'pair: its first commit of partition 0 is offset 0, the oldest there is: 10 messages to replay',
    'pair: its first commit of partition 1 is offset 10, the end: only what comes now',
  ]);
  const offsets = () => model.picture.groups.pair?.offsets;
  assert.deepEqual(offsets()?.[0]?.first, { offset: 0, ahead: 10, from: 'start' });
  assert.equal(offsets()?.[0]?.step, 4, 'how far the last one went');
  assert.equal(offsets()?.[1]?.step, undefined);
  model.commits([commit(1, 12)], true);
  model.committed('pair', { t: { 0: 9, 1: 12 } }, 1, 0);
  assert.deepEqual(offsets()?.[1]?.first, { offset: 10, ahead: 0, from: 'end' });
  assert.equal(offsets()?.[1]?.step, 2);
  assert.deepEqual(sentences(model), []);
});

test('what is the same of several partitions is one sentence', () => {
  const model = seen(4);
  model.groups([group({ x: [0, 1, 3] })], 0);
  const commits = [0, 1, 3].map((partition) => ({ group: 'pair', topic: 't', partition, offset: 0, at: 1 }));
  model.commits(commits, true);
  model.committed('pair', { t: { 0: 0, 1: 0, 3: 0 } }, 1, 0);
  assert.deepEqual(sentences(model).slice(2), [
    'pair: partitions 0 to 1, 3 go to a',
    'pair: its first commits of partitions 0 to 1, 3 are at the oldest there is: 30 messages to replay',
  ]);
});

test('what was sent after the first commit was not ahead of it, though both are read later', () => {
  const model = seen();
  model.log([log(13, [record(10), record(11), record(12)])], 0);
  model.groups([group({ x: [0] })], 0);
  model.commits([{ group: 'pair', topic: 't', partition: 0, offset: 11, at: 10_500 }], true);
  model.committed('pair', { t: { 0: 13 } }, 1, 0);
  assert.deepEqual(model.picture.groups.pair?.offsets[0]?.first, { offset: 11, ahead: 0, from: 'end' });
});

test('what was sent while a group looked for the end was new to it', () => {
  const model = seen();
  model.log([log(13, [record(10), record(11), record(12)])], 0);
  model.groups([group({ x: [0] })], 0);
  model.commits([{ group: 'pair', topic: 't', partition: 0, offset: 12, at: 12_900 }], true);
  model.committed('pair', { t: { 0: 12 } }, 1, 0);
  assert.deepEqual(model.picture.groups.pair?.offsets[0]?.first, { offset: 12, ahead: 0, from: 'end' });
  model.groups([group({ x: [0] }), group({ y: [] }, { id: 'other' })], 0);
  model.commits([{ group: 'other', topic: 't', partition: 0, offset: 11, at: 12_900 }], true);
  model.committed('other', { t: { 0: 11 } }, 1, 0);
  assert.deepEqual(model.picture.groups.other?.offsets[0]?.first, {
    offset: 11,
    ahead: 2,
    from: 'between',
  });
});

test('where the commits can not be read, the first one that is asked has to do', () => {
  const model = seen();
  model.groups([group({ x: [0] })], 0);
  sentences(model);
  model.commits([], false);
  model.committed('pair', { t: { 0: 4 } }, 1, 0);
  assert.deepEqual(sentences(model), [
    'pair: its first commit of partition 0 is offset 4: 6 messages to catch up with',
  ]);
});

test('of a group that was there before, nothing is said of what it began with', () => {
  const model = new Model('t', 0);
  model.cluster(cluster(), 0);
  model.groups([group({ a: [0] })], 0);
  model.committed('pair', { t: { 0: 3 } }, 1, 0);
  model.log([log(10)], 0);
  model.commits([{ group: 'pair', topic: 't', partition: 0, offset: 4, at: 1 }], true);
  model.committed('pair', { t: { 0: 4 } }, 1, 0);
  assert.deepEqual(sentences(model), []);
  assert.deepEqual(model.picture.groups.pair?.offsets[0], { committed: 4, lag: 7, step: 1 });
});

test('a broker that gives no answer is told, before the cluster counts it out', () => {
  const two = (ids = [1, 2]) =>
    cluster(1, { brokers: ids.map((id) => ({ id, host: `kafka-${id}`, port: 29092 })) });
  const model = new Model('t', 0);
  model.cluster(two(), 0);
  model.cluster(two(), 3000, new Map([[2, 1000]]));
  model.cluster(two(), 4000, new Map([[2, 1000]]));
  assert.deepEqual(sentences(model), ['Broker 2 does not answer']);
  assert.equal(model.picture.brokers[2]?.silent, 1000);
  model.cluster(two(), 5000);
  assert.deepEqual(sentences(model), ['Broker 2 answers again after 4.0 s']);
  assert.deepEqual(model.picture.brokers[2], { host: 'kafka-2', port: 29092 });
});

test('a partition that moves is told as a move, though a rebalance leaves it to nobody for a while', () => {
  const model = seen(2);
  model.groups([group({ x: [0, 1] })], 0);
  sentences(model);
  model.groups([group({ x: [], y: [] }, { state: 'PreparingRebalance' })], 1000);
  assert.deepEqual(sentences(model, 1000), [
    'pair: b joined (c at 10.0.0.1)',
    'pair: a rebalance begins: its partitions are dealt out anew',
  ]);
  model.groups([group({ x: [], y: [] }, { state: 'CompletingRebalance' })], 2000);
  model.groups([group({ x: [0], y: [1] })], 3200);
  const { happenings } = model.takeNews(3200);
  assert.deepEqual(
    happenings.map(({ text }) => text),
    ['pair: the rebalance is over after 2.2 s', 'pair: partition 1 moves from a to b'],
  );
  assert.deepEqual(happenings[1]?.move, { partition: 1, from: 'a', to: 'b' });
  assert.equal(model.picture.groups.pair?.rebalances, 1);
});

test('a rebalance that was over between two questions is seen by who is there', () => {
  const model = seen(2);
  model.groups([group({ x: [0], y: [1] })], 0);
  sentences(model);
  model.groups([group({ y: [0, 1] })], 500);
  assert.deepEqual(sentences(model), [
    'pair: a left',
    'pair: a rebalance: its partitions are dealt out anew',
    'pair: partition 0 moves from a to b',
  ]);
  assert.equal(model.picture.groups.pair?.rebalances, 1);
});

test('a group of another topic is not shown', () => {
  const model = seen();
  const other = group({ a: [] });
  for (const member of other.members) member.topics = ['other'];
  model.groups([other], 0);
  model.committed('pair', { other: { 0: 5 } }, 1, 0);
  assert.deepEqual(model.picture.groups, {});
});

test('a group that Kafka does not know any more fades, and then is away; it may come back', () => {
  const model = seen();
  model.groups([group({ a: [0] })], 0);
  sentences(model);
  model.groups([], 1000);
  assert.deepEqual(sentences(model), ['pair is gone: Kafka does not know the group any more']);
  assert.equal(model.picture.groups.pair?.gone, 1000);
  model.groups([], 17_000);
  assert.deepEqual(model.picture.groups, {});
  model.groups([group({ a: [0] })], 18_000);
  assert.ok(sentences(model).includes('pair is a new group'));
});

test('of a group whose coordinator gives no answer, nothing is known to have changed', () => {
  const model = seen();
  model.groups([group({ a: [0] })], 0);
  sentences(model);
  model.groups([], 1000, new Set(['pair']));
  assert.deepEqual(sentences(model), []);
  assert.equal(model.picture.groups.pair?.gone, undefined);
});

test('a random end of a name is left out where the name is the only one of its kind', () => {
  const model = seen();
  const ids = ['c-11111111-2222-3333-4444-555555555555', 'c-66666666'];
  model.groups(
    ids.map((id) => group({ [id]: [] }, { id })),
    0,
  );
  assert.deepEqual(
    ids.map((id) => model.picture.groups[id]?.name),
    ['c', 'c-66666666'],
  );
});

test('a broker that is lost and comes back, a leader that changes, a copy that falls behind, are told', () => {
  const three = (leader: number, isr: number[], ids = [1, 2, 3]): ClusterAnswer => ({
    controller: 1,
    brokers: ids.map((id) => ({ id, host: `kafka-${id}`, port: 29092 })),
    topics: [
      { topic: 't', error: 0, internal: false, partitions: [{ id: 0, leader, replicas: [1, 2, 3], isr }] },
    ],
  });
  const model = new Model('t', 0);
  model.cluster(three(2, [1, 2, 3]), 0);
  assert.deepEqual(sentences(model), []);
  model.cluster(three(3, [1, 3], [1, 3]), 1000);
  assert.deepEqual(sentences(model), [
    'Broker 2 is gone',
    'Partition 0: broker 3 leads now; before, it was 2',
    'Partition 0: broker 2 is not in sync any more',
  ]);
  assert.equal(model.picture.brokers[2]?.gone, 1000);
  model.cluster(three(3, [1, 3, 2]), 6000);
  assert.deepEqual(sentences(model), [
    'Broker 2 is back after 5.0 s',
    'Partition 0: broker 2 is in sync again',
  ]);
  model.cluster(three(-1, []), 7000);
  assert.ok(sentences(model).includes('Partition 0 has no leader: nothing can be written or read'));
});

test('a controller is told where there is one, and not where each answer names another', () => {
  const named = (controller: number) =>
    cluster(1, { controller, brokers: [1, 2].map((id) => ({ id, host: `kafka-${id}`, port: 29092 })) });
  const steady = new Model('t', 0);
  for (let answer = 0; answer < 6; answer++) steady.cluster(named(2), 0);
  assert.equal(steady.picture.controller, 2);
  for (let answer = 0; answer < 6; answer++) steady.cluster(named(1), 0);
  assert.deepEqual(sentences(steady), ['Broker 1 is the controller now; before, it was 2']);
  const random = new Model('t', 0);
  for (const id of [1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 2]) random.cluster(named(id), 0);
  assert.equal(random.picture.controller, undefined);
  assert.deepEqual(sentences(random), []);
});

test('silence is told once, with the reason, and its end with how long it was', () => {
  const model = seen();
  model.silent('connect ECONNREFUSED', 1000);
  model.silent('connect ECONNREFUSED', 2000);
  assert.deepEqual(sentences(model), ['Kafka does not answer: connect ECONNREFUSED']);
  assert.equal(model.picture.silent?.since, 1000);
  model.cluster(cluster(), 13_300);
  assert.deepEqual(sentences(model), ['Kafka answers again after 12.3 s']);
  assert.equal(model.picture.silent, undefined);
});

test('a topic that comes, grows, loses its oldest messages and is deleted, is told', () => {
  const nothing = cluster(0, { topics: [{ topic: 't', error: 3, internal: false, partitions: [] }] });
  const model = new Model('t', 0);
  model.cluster(nothing, 0);
  model.cluster(cluster(1), 1000);
  model.log([log(10)], 1000);
  model.cluster(cluster(3), 2000);
  model.log([log(10, [], { start: 4 })], 3000);
  model.cluster(nothing, 4000);
  assert.deepEqual(sentences(model), [
    'There is no topic t yet',
    't is there, with 1 partition',
    't has 3 partitions now; before, it had 1',
    'Partition 0: the messages before offset 4 were deleted',
    't was deleted',
  ]);
  assert.deepEqual(model.picture.partitions, {});
});

test('the end of what may be read is shown only where it lies before the end', () => {
  const model = seen();
  model.log([log(12, [], { stable: 11 })], 0);
  assert.equal(model.picture.partitions[0]?.stable, 11);
  model.log([log(12)], 0);
  assert.equal(model.picture.partitions[0]?.stable, undefined);
});

test('a value is shown by its beginning, its control characters and those of direction escaped', () => {
  const model = seen();
  const odd = '\u001b[31m\u202edrowssap\u2066<script>alert(1)</script>\n';
  model.log(
    [log(14, [record(10, odd), record(11, null), record(12, ''), record(13, 'ä'.repeat(450_000))])],
    0,
  );
  const [first, tombstone, empty, large] = model.messages[0] ?? [];
  assert.equal(first?.value, '\\u001b[31m\\u202edrowssap\\u2066<script>alert(1)</script>\\u000a');
  assert.deepEqual(tombstone, { offset: 11, timestamp: 11_000, bytes: 0 });
  assert.deepEqual(empty, { offset: 12, timestamp: 12_000, value: '', bytes: 0 });
  assert.equal(large?.value, 'ä'.repeat(120));
  assert.equal(large?.bytes, 900_000);
});

test('names of groups, clients and hosts are escaped too', () => {
  const model = seen();
  const id = 'evil\u202e\u0007';
  const answer = group({ a: [0] }, { id });
  Object.assign(answer.members[0] ?? {}, { client: 'c\u0000', host: 'h\n' });
  model.groups([answer], 0);
  assert.equal(model.picture.groups[id]?.name, 'evil\\u202e\\u0007');
  assert.equal(model.picture.groups[id]?.members.a?.client, 'c\\u0000');
  assert.equal(model.picture.groups[id]?.members.a?.host, 'h\\u000a');
  for (const text of sentences(model)) assert.doesNotMatch(text, /[\p{Cc}\u202e]/u);
});

test('messages and happenings are kept up to a number, the newest ones', () => {
  const model = seen(1);
  for (let offset = 10; offset < 10_000; offset += 100)
    model.log(
      [
        log(
          offset + 100,
          Array.from({ length: 100 }, (_, n) => record(offset + n)),
        ),
      ],
      0,
    );
  assert.ok((model.messages[0]?.length ?? 0) <= 2400);
  assert.equal(model.messages[0]?.at(-1)?.offset, 10_009);
  for (let round = 0; round < 1000; round++) {
    model.silent('x', round);
    model.cluster(cluster(), round);
  }
  assert.equal(model.happenings.length, 500);
});

test('a message that comes twice is kept once', () => {
  const model = seen();
  model.log([log(12, [record(10), record(11)])], 0);
  model.log([log(13, [record(11), record(12)])], 0);
  assert.deepEqual(
    model.messages[0]?.map(({ offset }) => offset),
    [10, 11, 12],
  );
});

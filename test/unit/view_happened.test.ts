/** What the live view tells of what happened: one sentence for each incident, in plain words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Model } from '../../view/model';
import type { ClusterAnswer } from '../../view/reader';
import {
  cluster,
  commit,
  committed,
  group,
  log,
  record,
  round,
  seen,
  sentences,
  sharing,
} from '../support/answers';

/** So much later an incident is over, in ms. */
const LATER = 10_000;

test('what is there at the first look has not just happened', () => {
  const model = new Model('t', 0);
  const news = round(model, {
    cluster: cluster(2),
    groups: [group({ a: [0, 1] })],
    committed: [committed({ 0: 3 })],
    logs: [log(10)],
  });
  assert.deepEqual(sentences(news), []);
});

test('a group that starts is one sentence, which grows: who reads what, and where it began', () => {
  const model = seen();
  const rebalancing = round(model, { groups: [group({ x: [] }, { state: 'PreparingRebalance' })], now: 500 });
  assert.deepEqual(sentences(rebalancing), ['pair starts']);
  const dealt = round(model, { groups: [group({ x: [0] })], written: [sharing(900)], now: 1000 });
  assert.deepEqual(sentences(dealt), ['pair starts; member a reads partition 0']);
  const begun = round(model, {
    written: [commit(0, 10, 1100)],
    committed: [committed({ 0: 10 })],
    now: 1200,
  });
  assert.deepEqual(sentences(begun), ['pair starts; member a reads partition 0; began at 10: skipped 0–9']);
  const ids = [rebalancing, dealt, begun].map(({ happenings }) => happenings[0]?.id);
  assert.equal(new Set(ids).size, 1, 'it is told anew under its number');
  assert.equal(model.story.happenings.length, 1);
  assert.equal(model.story.happenings[0]?.at, 500);
});

test('where a group began is said in the words of what it has before it', () => {
  const start = (offset: number, client?: string) => {
    const model = seen(1, 8);
    const more = client === undefined ? {} : { client };
    const news = round(model, {
      groups: [group({ x: [0] }, more)],
      written: [commit(0, offset, 1)],
      committed: [committed({ 0: offset })],
      now: 1,
    });
    return sentences(news)[0]?.replace('pair starts; member a reads partition 0; ', '');
  };
  assert.equal(start(0), 'began at 0: replayed 8');
  assert.equal(start(8), 'began at 8: skipped 0–7');
  assert.equal(start(1), 'began at 1: skipped 0');
  assert.equal(start(8, 'rdkafka'), 'first commit at 8');
});

test('what is the same of several partitions is said once', () => {
  const model = seen(4);
  const news = round(model, {
    groups: [group({ x: [0, 1, 3] })],
    written: [0, 1, 3].map((partition) => commit(partition, 0, 1)),
    committed: [committed({ 0: 0, 1: 0, 3: 0 })],
    now: 1,
  });
  assert.deepEqual(sentences(news), [
    'pair starts; member a reads partitions 0 to 1, 3; began at 0: replayed 10 in partitions 0 to 1, 3',
  ]);
});

/** A group of one member that has committed all, and is at rest. */
function resting(partitions = 1) {
  const model = seen(partitions);
  const all = Array.from({ length: partitions }, (_, id) => id);
  const offsets = Object.fromEntries(all.map((id) => [id, 10]));
  const written = [sharing(1), ...all.map((id) => commit(id, 10, 2))];
  for (const now of [2, LATER])
    round(model, {
      groups: [group({ x: all })],
      written: now === 2 ? written : [],
      committed: [committed(offsets)],
      now,
    });
  return model;
}

test('a second member that joins takes a partition over, and what the first had in hand comes again', () => {
  const model = resting(2);
  const now = LATER + 500;
  const begins = round(model, {
    groups: [group({ x: [], y: [] }, { state: 'PreparingRebalance' })],
    now,
  });
  assert.deepEqual(sentences(begins), ['pair: b joined; the members share the partitions anew']);
  assert.equal(model.picture.groups.pair?.rebalances, 1);
  const over = round(model, {
    groups: [group({ x: [0], y: [1] })],
    written: [commit(1, 12, now + 1), sharing(now + 2), commit(1, 14, now + 900)],
    committed: [committed({ 0: 10, 1: 14 })],
    now: now + 1000,
  });
  assert.deepEqual(sentences(over), [
    'pair: b joined; partition 1 moves from a to b; b goes on at 12: what a handled after that comes again',
  ]);
  assert.equal(over.happenings[0]?.kind, 'again');
  assert.equal(model.story.happenings.length, 2, 'the start, and this');
  assert.deepEqual(model.picture.groups.pair?.owners[1], {
    member: 'y',
    letter: 'b',
    from: 'a',
    since: now + 1000,
    at: 12,
  });
});

test('where many partitions move from several members, that is said once', () => {
  const model = seen(3);
  const members = (letters: string) =>
    group({ [letters.charAt(0)]: [0], [letters.charAt(1)]: [1], [letters.charAt(2)]: [2] });
  const offsets = committed({ 0: 5, 1: 6, 2: 7 });
  round(model, { groups: [members('xyz')], committed: [offsets], now: 1 });
  const news = round(model, { groups: [members('yzx')], committed: [offsets], now: 2 * LATER });
  assert.deepEqual(sentences(news), [
    'pair: partitions 0 to 2 move; each goes on at what is committed: what was handled after that comes again',
  ]);
});

test('of a member that is killed while another one joins, it is said that Kafka gave it up', () => {
  const model = seen();
  const offsets = committed({ 0: 5 });
  const ages = [{ group: 'pair', partition: 0, offset: 5, timestamp: 1000 }];
  round(model, {
    groups: [group({ x: [0] })],
    written: [sharing(1), commit(0, 5, 2)],
    committed: [offsets],
    ages,
    now: 1000,
  });
  round(model, {
    groups: [group({ x: [], y: [] }, { state: 'PreparingRebalance' })],
    committed: [offsets],
    now: LATER,
  });
  const news = round(model, {
    groups: [group({ y: [0] })],
    written: [sharing(2 * LATER)],
    committed: [offsets],
    now: 2 * LATER,
  });
  assert.match(sentences(news)[0] ?? '', /^pair: a is given up by Kafka/);
});

test('a group that comes and goes is two sentences', () => {
  const model = seen();
  assert.deepEqual(sentences(round(model, { groups: [group({ x: [0] })], now: 1 })), [
    'pair starts; member a reads partition 0',
  ]);
  assert.deepEqual(sentences(round(model, { groups: [], now: 2 })), [
    'pair is gone: Kafka does not know this group any more',
  ]);
  assert.equal(model.story.happenings.length, 2);
});

test('who joins a group that has just started is told for itself', () => {
  const model = seen(2);
  round(model, { groups: [group({ x: [0, 1] })], now: 1 });
  const news = round(model, { groups: [group({ x: [0], y: [1] })], now: 2 });
  assert.deepEqual(sentences(news), ['pair: b joined; member b reads partition 1']);
  assert.equal(model.story.happenings.length, 2);
});

test('a rebalance that was over between two questions is seen by who is there', () => {
  const model = resting(2);
  round(model, { groups: [group({ x: [0], y: [1] })], now: LATER + 500 });
  assert.equal(model.picture.groups.pair?.rebalances, 1);
});

test('one that leaves has committed, and one that is given up has not: the words differ', () => {
  const end = (lastCommit: number) => {
    const model = seen();
    const records = [10, 11, 12, 13, 14].map((offset) => record(offset));
    round(model, {
      groups: [group({ x: [0] })],
      written: [sharing(9000), commit(0, 10, 9000)],
      committed: [committed({ 0: 10 })],
      logs: [log(15, records)],
      now: 14_000,
    });
    round(model, { groups: [group({ x: [0] })], now: 25_000 });
    const news = round(model, {
      groups: [group({ y: [0] })],
      written: [...(lastCommit > 9000 ? [commit(0, 12, lastCommit)] : []), sharing(25_400)],
      committed: [committed({ 0: lastCommit > 9000 ? 12 : 10 })],
      now: 25_500,
    });
    return sentences(news);
  };
  assert.deepEqual(end(25_300), ['pair: a left; b joined; b goes on with partition 0 at 12']);
  assert.deepEqual(end(0), [
    'pair: a is given up by Kafka, which heard nothing of it; b joined; partition 0 moves from a to b; ' +
      'b goes on at 10: what a handled after that comes again',
  ]);
});

test('of a group that nobody is in any more, Kafka keeps the place; who had nothing to commit is just gone', () => {
  const model = resting();
  const news = round(model, { groups: [group({}, { state: 'Empty' })], now: LATER + 1 });
  assert.deepEqual(sentences(news), ['pair: a is gone; no member: Kafka keeps its place, 10']);
});

test('an offset that goes back says what comes again, once', () => {
  const model = resting();
  const back = round(model, { committed: [committed({ 0: 4 })], now: LATER + 1 });
  assert.deepEqual(sentences(back), [
    'pair: the committed offset of partition 0 goes back from 10 to 4: those 6 messages come again',
  ]);
  assert.equal(back.happenings[0]?.kind, 'again');
  for (const offset of [8, 10])
    assert.deepEqual(sentences(round(model, { committed: [committed({ 0: offset })], now: LATER + 2 })), []);
});

test('a group that Kafka does not know any more is said to be gone, and to be back', () => {
  const model = resting();
  const gone = round(model, { groups: [], now: LATER + 1 });
  assert.deepEqual(sentences(gone), ['pair is gone: Kafka does not know this group any more']);
  round(model, { groups: [], now: 2 * LATER });
  const back = round(model, { groups: [group({ y: [0] })], now: 2 * LATER + 1 });
  assert.match(sentences(back)[0] ?? '', /^pair is back; b joined/);
});

const three = (leader: number, isr: number[], ids = [1, 2, 3]): ClusterAnswer => ({
  controller: 1,
  brokers: ids.map((id) => ({ id, host: `kafka-${id}`, port: 29092 })),
  topics: [
    { topic: 't', error: 0, internal: false, partitions: [{ id: 0, leader, replicas: [1, 2, 3], isr }] },
  ],
});

test('a broker that is lost, a new leader and a copy that falls behind are one sentence; its return another', () => {
  const model = new Model('t', 0);
  round(model, { cluster: three(2, [1, 2, 3]) });
  round(model, { cluster: three(2, [1, 2, 3]), now: 500 });
  const silent = round(model, { cluster: three(2, [1, 2, 3]), silent: new Map([[2, 900]]), now: 1000 });
  assert.deepEqual(sentences(silent), ['Broker 2 does not answer']);
  const lost = round(model, { cluster: three(3, [1, 3], [1, 3]), now: 2000 });
  assert.deepEqual(sentences(lost), [
    'Broker 2 is gone; partition 0 is led by broker 3, no more by 2; broker 2 is not in sync in partition 0',
  ]);
  assert.equal(model.story.happenings.length, 1);
  round(model, { cluster: three(3, [1, 3], [1, 3]), now: LATER });
  const back = round(model, { cluster: three(3, [1, 2, 3]), now: 12_000 });
  assert.deepEqual(sentences(back), [
    'Broker 2 is back after 11.1 s; broker 2 is in sync again in partition 0',
  ]);
  const none = round(model, { cluster: three(-1, []), now: 3 * LATER });
  assert.match(sentences(none)[0] ?? '', /has no leader: nothing can be written or read there/);
});

test('silence is told once, from the last answer on, and its end with how long it was', () => {
  const model = seen();
  round(model, { now: 1000 });
  const begins = model.fallSilent(undefined, 11_000);
  assert.deepEqual(sentences(begins), ['Kafka does not answer']);
  assert.equal(begins.happenings[0]?.at, 1000);
  assert.deepEqual(sentences(model.fallSilent(undefined, 21_000)), []);
  const over = round(model, { now: 31_300 });
  assert.deepEqual(sentences(over), ['Kafka did not answer for 30.3 s']);
  assert.equal(over.happenings[0]?.id, begins.happenings[0]?.id);
});

test('where Kafka refuses us, the reason is told', () => {
  const news = seen().fallSilent('TOPIC_AUTHORIZATION_FAILED: allow this client', 1);
  assert.deepEqual(sentences(news), ['Kafka does not answer: TOPIC_AUTHORIZATION_FAILED: allow this client']);
});

test('a topic that comes, grows, loses its oldest messages and is deleted, is told', () => {
  const nothing = cluster(0, { topics: [{ topic: 't', error: 3, internal: false, partitions: [] }] });
  const model = new Model('t', 0);
  const told = [
    round(model, { cluster: nothing }),
    round(model, { cluster: cluster(1), now: LATER }),
    round(model, { logs: [log(10)], now: 2 * LATER }),
    round(model, { cluster: cluster(3), now: 3 * LATER }),
    round(model, { logs: [log(10, [], { start: 4 })], now: 5 * LATER }),
    round(model, { cluster: nothing, now: 7 * LATER }),
  ];
  assert.deepEqual(told.flatMap(sentences), [
    't is there, with 1 partition',
    't has 3 partitions now; before, it had 1',
    'Deleted: 0–3 of partition 0',
    't was deleted',
  ]);
  assert.deepEqual(model.picture.partitions, {});
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diff, Memory, merge, PAST_MS, withLags } from '../../view/change';
import { Past, stepsOf } from '../../view/page/past';
import type { Group, Offset, Picture } from '../../view/picture';

const picture = (end: number, more: Partial<Picture> = {}): Picture => ({
  topic: 't',
  brokers: {},
  partitions: { 0: { start: 0, end, leader: 1, replicas: [1], isr: [1] } },
  groups: {},
  ...more,
});

test('a change holds what has changed and no more, and makes the one picture of the other', () => {
  const before = picture(5, { missing: 1, brokers: { 1: { host: 'a', port: 1 } } });
  const after = picture(6, { brokers: { 1: { host: 'a', port: 1 }, 2: { host: 'b', port: 2 } } });
  const change = diff(before, after);
  assert.deepEqual(change, {
    missing: null,
    partitions: { 0: { end: 6 } },
    brokers: { 2: { host: 'b', port: 2 } },
  });
  assert.deepEqual(merge(before, change), after);
  assert.deepEqual(diff(after, structuredClone(after)), {});
  assert.equal(before.partitions[0]?.end, 5, 'the picture before stays as it is');
});

test('a list is put in the place of the other, whole', () => {
  assert.deepEqual(diff({ isr: [1, 2, 3] }, { isr: [1, 3] }), { isr: [1, 3] });
  assert.deepEqual(merge({ isr: [1, 2, 3] }, { isr: [1] }), { isr: [1] });
});

test('a key of any name is no more than a key', () => {
  const change = JSON.parse('{"groups":{"__proto__":{"polluted":1},"constructor":{"lag":2}}}');
  merge({ groups: {} }, change);
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});

const group = (offset: Pick<Offset, 'committed' | 'lag' | 'step'>): Picture['groups'] => {
  const known = {
    name: 'g',
    state: 'Stable',
    coordinator: 1,
    members: {},
    letters: 0,
    owners: {},
    parted: {},
  };
  const one: Group = { ...known, offsets: { 0: offset }, lag: offset.lag, rebalances: 0 };
  return { g: one };
};

const memory = () => new Memory({ since: 0, base: picture(0), changes: [] });

/** What a page that joins now makes of it. */
const past = ({ past: told }: Memory) => new Past(structuredClone(told));

test('the memory keeps a step for each second, and gives each moment back', () => {
  const server = memory();
  for (let at = 100; at < 10_000; at += 200) server.add(at, picture(at));
  assert.equal(server.past.changes.length, 10);
  const page = past(server);
  assert.equal(page.pictureAt(5_000)?.partitions[0]?.end, 4_900);
  assert.equal(page.pictureAt(99_999)?.partitions[0]?.end, 9_900);
});

test('what goes and comes again within a second is no more than what it is at the end', () => {
  const broker = { 1: { host: 'a', port: 1, gone: 5 } };
  const server = new Memory({ since: 0, base: picture(0, { brokers: broker }), changes: [] });
  server.add(1100, picture(0));
  server.add(1200, picture(0, { brokers: { 1: { host: 'a', port: 1 } } }));
  assert.deepEqual(past(server).pictureAt(1300)?.brokers, { 1: { host: 'a', port: 1 } });
});

test('what is older than ten minutes is forgotten, and the rest stands on it', () => {
  const server = memory();
  for (let at = 1000; at <= PAST_MS + 60_000; at += 1000) server.add(at, picture(at));
  assert.ok(server.past.changes.length <= PAST_MS / 1000 + 1);
  assert.equal(server.past.since, 59_000);
  assert.equal(server.past.base.partitions[0]?.end, 59_000);
  assert.equal(past(server).pictureAt(300_000)?.partitions[0]?.end, 300_000);
});

test('a page that joined early remembers what the server tells one that joins late', () => {
  const server = memory();
  for (let at = 100; at < 3_000; at += 200) server.add(at, picture(at));
  const early = past(server);
  for (const at of [3_100, 3_300, 4_100]) {
    server.add(at, picture(at));
    early.add(at, picture(at));
  }
  for (const at of [500, 2_950, 3_350, 5_000])
    assert.deepEqual(early.pictureAt(at), past(server).pictureAt(at));
});

test('lags are in no change: they follow from the ends and what is committed', () => {
  const before = picture(5, { groups: group({ committed: 3, lag: 2 }) });
  const after = picture(9, { groups: group({ committed: 3, lag: 6 }) });
  const change = diff(before, after);
  assert.deepEqual(change, { partitions: { 0: { end: 9 } } });
  assert.deepEqual(withLags(merge(before, change)), after);
  const server = memory();
  server.add(1000, before);
  server.add(2000, after);
  assert.deepEqual(past(server).pictureAt(1500), before);
  assert.deepEqual(past(server).pictureAt(2500), after);
});

test('who stops at the present sees it as it was, whatever comes in the rest of its second', () => {
  const page = past(memory());
  page.add(5_100, picture(5));
  page.keepLast();
  for (const at of [5_300, 5_500]) page.add(at, picture(at));
  assert.equal(page.pictureAt(5_200)?.partitions[0]?.end, 5);
  assert.equal(page.pictureAt(5_600)?.partitions[0]?.end, 5_500);
});

test('each commit is a step of its own, also where two were made within a second', () => {
  const server = memory();
  const commits = [
    { committed: 0, lag: 9 },
    { committed: 4, lag: 5, step: 4 },
    { committed: 9, lag: 0, step: 2 },
  ];
  commits.forEach((offset, index) => {
    server.add((index + 1) * 1000, picture(9, { groups: group(offset) }));
  });
  const page = past(server);
  const now = picture(9, { groups: group({ committed: 9, lag: 0, step: 2 }) });
  assert.deepEqual(
    [...stepsOf(page, now, 3500, 'g', '0')].map(({ from, to }) => [from, to]),
    [
      [7, 9],
      [4, 7],
      [0, 4],
    ],
  );
});

test('over some hundred pictures, live and looking back, what is committed and what is not make the log', () => {
  const server = memory();
  const page = past(server);
  let told = picture(0);
  for (let count = 1; count <= 400; count++) {
    const committed = Math.floor(count / 3) * 3;
    const next = picture(count, { groups: group({ committed, lag: count - committed, step: 3 }) });
    const change = diff(told, next);
    told = withLags(merge(told, change));
    assert.deepEqual(told, next, 'what the page makes of what it is told');
    server.add(count * 250, next);
    page.add(count * 250, told);
  }
  for (const one of [page, past(server)])
    for (const { at } of page.moments) {
      const { partitions = {}, groups = {} } = one.pictureAt(at) ?? {};
      const { committed = 0, lag = 0 } = groups.g?.offsets[0] ?? {};
      assert.equal(committed + lag, partitions[0]?.end);
      assert.equal(groups.g?.lag ?? 0, lag);
      const steps = [...stepsOf(one, one.pictureAt(at) as Picture, at, 'g', '0')];
      assert.ok(steps.every(({ from, to }, index) => from < to && from === (steps[index + 1]?.to ?? from)));
      assert.equal(steps[0]?.to ?? committed, committed, 'the line ends at the flag');
    }
});

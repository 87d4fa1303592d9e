import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diff, Memory, merge, PAST_MS, type Picture, withLags } from '../../view/picture';

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

test('the memory keeps a step for each second, and gives each moment back', () => {
  const memory = new Memory({ since: 0, base: picture(0), changes: [] });
  for (let at = 100; at < 10_000; at += 200) memory.add(at, picture(at));
  assert.equal(memory.past.changes.length, 10);
  assert.equal(memory.pictureAt(5_000).partitions[0]?.end, 4_900);
  assert.equal(memory.pictureAt(99_999).partitions[0]?.end, 9_900);
  assert.deepEqual(memory.pictureAt(-1), picture(0));
});

test('what goes and comes again within a second is no more than what it is at the end', () => {
  const broker = { 1: { host: 'a', port: 1, gone: 5 } };
  const memory = new Memory({ since: 0, base: picture(0, { brokers: broker }), changes: [] });
  memory.add(1100, picture(0));
  memory.add(1200, picture(0, { brokers: { 1: { host: 'a', port: 1 } } }));
  assert.deepEqual(memory.pictureAt(1300).brokers, { 1: { host: 'a', port: 1 } });
});

test('what is older than ten minutes is forgotten, and the rest stands on it', () => {
  const memory = new Memory({ since: 0, base: picture(0), changes: [] });
  for (let at = 1000; at <= PAST_MS + 60_000; at += 1000) memory.add(at, picture(at));
  assert.ok(memory.past.changes.length <= PAST_MS / 1000 + 1);
  assert.equal(memory.past.since, 59_000);
  assert.equal(memory.past.base.partitions[0]?.end, 59_000);
  assert.equal(memory.pictureAt(300_000).partitions[0]?.end, 300_000);
});

test('a page that joins later goes on with the memory of the server', () => {
  const server = new Memory({ since: 0, base: picture(0), changes: [] });
  for (let at = 100; at < 3_000; at += 200) server.add(at, picture(at));
  const page = new Memory(structuredClone(server.past));
  for (const at of [3_100, 3_300, 4_100]) {
    server.add(at, picture(at));
    page.add(at, picture(at));
  }
  for (const at of [500, 2_950, 3_200, 5_000]) assert.deepEqual(page.pictureAt(at), server.pictureAt(at));
});

test('lags are in no change: they follow from the ends and what is committed', () => {
  const group = (lag: number) => ({
    g: {
      name: 'g',
      state: 'Stable',
      coordinator: 1,
      members: {},
      offsets: { 0: { committed: 3, lag } },
      lag,
      rebalances: 0,
    },
  });
  const before = picture(5, { groups: group(2) });
  const after = picture(9, { groups: group(6) });
  const change = diff(before, after);
  assert.deepEqual(change, { partitions: { 0: { end: 9 } } });
  assert.deepEqual(withLags(merge(before, change)), after);
  const memory = new Memory({ since: 0, base: picture(0), changes: [] });
  memory.add(1000, before);
  memory.add(2000, after);
  assert.deepEqual(memory.pictureAt(1500), before);
  assert.deepEqual(memory.pictureAt(2500), after);
});

/** What the live view makes of Kafka's answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Model } from '../../view/model';
import { cluster, commit, committed, group, log, record, round, seen } from '../support/answers';

test('members, their letters and their partitions are as Kafka tells', () => {
  const model = seen(2);
  round(model, { groups: [group({ x: [0, 1] })] });
  const { members, owners } = model.picture.groups.pair ?? {};
  assert.deepEqual(members, {
    x: { letter: 'a', client: 'consumer_from_oldest', host: '10.0.0.1', partitions: [0, 1] },
  });
  assert.deepEqual(owners?.[1], { member: 'x', letter: 'a', since: 0 });
});

test('the lag is the distance from what is committed to the end, of each partition and of all', () => {
  const model = seen(2);
  round(model, {
    groups: [group({ a: [0, 1] })],
    committed: [committed({ 0: 7, 1: 10 })],
    logs: [log(12), log(10, [], { partition: 1 })],
  });
  const { offsets, lag } = model.picture.groups.pair ?? {};
  assert.deepEqual(offsets, { 0: { committed: 7, lag: 5 }, 1: { committed: 10, lag: 0 } });
  assert.equal(lag, 5);
});

test('an offset beyond the end, of a topic that was made anew, is no lag below 0', () => {
  const model = seen();
  round(model, { committed: [committed({ 0: 70 })], logs: [log(10)] });
  assert.equal(model.picture.groups.pair?.offsets[0]?.lag, 0);
});

test('the age is that of the message at the committed offset, and there is none where all is committed', () => {
  const model = seen();
  round(model, {
    committed: [committed({ 0: 11 })],
    logs: [log(13, [record(10), record(11), record(12)])],
  });
  assert.equal(model.picture.groups.pair?.offsets[0]?.oldest, 11_000);
  assert.deepEqual(model.withoutAge(), []);
  round(model, { committed: [committed({ 0: 13 })] });
  assert.equal(model.picture.groups.pair?.offsets[0]?.oldest, undefined);
});

test('where the message was not seen, its age is asked for, and kept until the next one is known', () => {
  const model = seen();
  round(model, { committed: [committed({ 0: 2 })] });
  assert.deepEqual(model.withoutAge(), [{ group: 'pair', offsets: [{ partition: 0, offset: 2 }] }]);
  round(model, { ages: [{ group: 'pair', partition: 0, offset: 2, timestamp: 2000 }] });
  assert.deepEqual(model.withoutAge(), []);
  assert.equal(model.picture.groups.pair?.offsets[0]?.oldest, 2000);
  round(model, { committed: [committed({ 0: 3 })] });
  assert.equal(model.picture.groups.pair?.offsets[0]?.oldest, 2000);
  assert.deepEqual(model.withoutAge(), [{ group: 'pair', offsets: [{ partition: 0, offset: 3 }] }]);
});

test('a record without a timestamp has no age', () => {
  const model = seen();
  round(model, {
    committed: [committed({ 0: 10 })],
    logs: [log(11, [{ ...record(10), timestamp: -1 }])],
  });
  assert.equal(model.picture.groups.pair?.offsets[0]?.oldest, undefined);
});

test('an offset that goes back is marked until it is passed', () => {
  const model = seen();
  const again = (offset: number) => {
    round(model, { committed: [committed({ 0: offset })] });
    return model.picture.groups.pair?.offsets[0]?.again;
  };
  assert.deepEqual([9, 4, 8, 9].map(again), [undefined, { from: 4, to: 9 }, { from: 4, to: 9 }, undefined]);
});

test('what a group began with is its first commit, though it has committed more by the time it is asked', () => {
  const model = seen(3);
  const written = [commit(0, 0, 1), commit(1, 10, 1), commit(0, 5, 2), commit(0, 9, 3)];
  round(model, {
    groups: [group({ x: [0, 1, 2] })],
    written: [...written, { ...commit(2, 3, 1), topic: 'other' }],
    committed: [committed({ 0: 9, 1: 10 })],
  });
  const { offsets, commitsItsBeginning } = model.picture.groups.pair ?? {};
  assert.equal(commitsItsBeginning, true);
  assert.deepEqual(offsets?.[0], {
    committed: 9,
    lag: 1,
    at: 3,
    step: 4,
    first: { offset: 0, start: 0, ahead: 10 },
  });
  assert.deepEqual(offsets?.[1]?.first, { offset: 10, start: 0, ahead: 0 });
  assert.equal(offsets?.[1]?.step, undefined);
  assert.equal(offsets?.[2], undefined);
});

test('another client commits only what it has handled: where it began is not known', () => {
  const model = seen();
  round(model, {
    groups: [group({ x: [0] }, { client: 'rdkafka' })],
    written: [commit(0, 10, 1)],
    committed: [committed({ 0: 10 })],
  });
  assert.equal(model.picture.groups.pair?.commitsItsBeginning, undefined);
});

test('what was sent after the first commit was not ahead of it, though both are read later', () => {
  const model = seen();
  round(model, {
    written: [commit(0, 11, 10_500)],
    committed: [committed({ 0: 13 })],
    logs: [log(13, [record(10), record(11), record(12)])],
  });
  assert.deepEqual(model.picture.groups.pair?.offsets[0]?.first, { offset: 11, start: 0, ahead: 0 });
});

test('what was sent while a group looked for the end was new to it', () => {
  const model = seen();
  round(model, {
    written: [commit(0, 12, 12_900), commit(0, 11, 12_900, 'other')],
    committed: [committed({ 0: 12 }), committed({ 0: 11 }, 'other')],
    logs: [log(13, [record(10), record(11), record(12)])],
  });
  assert.equal(model.picture.groups.pair?.offsets[0]?.first?.ahead, 0);
  assert.equal(model.picture.groups.other?.offsets[0]?.first?.ahead, 2);
});

test('where what is committed can not be read as it was written, the first that is asked has to do', () => {
  const model = seen();
  for (const [offset, now] of [
    [4, 1],
    [7, 2],
  ] as const)
    round(model, { committed: [committed({ 0: offset })], isWrittenReadable: false, now });
  assert.deepEqual(model.picture.groups.pair?.offsets[0], {
    committed: 7,
    lag: 3,
    at: 2,
    step: 3,
    first: { offset: 4, start: 0, ahead: 6 },
  });
});

test('of commits that were not read from the first one on, none is taken for the first', () => {
  const model = seen();
  const written = [4, 5].map((offset) => ({ ...commit(0, offset, offset), isWhole: false }));
  round(model, { written, committed: [committed({ 0: 5 })] });
  assert.deepEqual(model.picture.groups.pair?.offsets[0], { committed: 5, lag: 5, at: 5, step: 1 });
});

test('of commits from before we looked, what was ahead is not known, and not guessed', () => {
  const model = new Model('t', 100_000);
  round(model, { cluster: cluster(), now: 100_000 });
  round(model, {
    written: [commit(0, 3, 4000), commit(0, 90, 99_000)],
    committed: [committed({ 0: 90 })],
    logs: [log(100, [record(97), record(98), record(99)])],
    now: 100_000,
  });
  assert.deepEqual(model.picture.groups.pair?.offsets[0]?.first, { offset: 3, start: 0 });
});

test('a group of another topic is not shown', () => {
  const model = seen();
  const other = group({ a: [] });
  for (const member of other.members) member.topics = ['other'];
  round(model, {
    groups: [other],
    committed: [{ group: 'pair', coordinator: 1, offsets: { other: { 0: 5 } } }],
  });
  assert.deepEqual(model.picture.groups, {});
});

test('a group that Kafka does not know any more fades, and then is away; it may come back', () => {
  const model = seen();
  round(model, { groups: [group({ a: [0] })] });
  round(model, { groups: [], now: 1000 });
  assert.equal(model.picture.groups.pair?.gone, 1000);
  round(model, { groups: [], now: 17_000 });
  assert.deepEqual(model.picture.groups, {});
  round(model, { groups: [group({ a: [0] })], now: 18_000 });
  assert.equal(model.picture.groups.pair?.gone, undefined);
});

test('of a group whose coordinator gives no answer, nothing is known to have changed', () => {
  const model = seen();
  round(model, { groups: [group({ a: [0] })] });
  const before = model.picture;
  round(model, { groups: [], unanswered: new Set(['pair']), now: 1000 });
  assert.deepEqual(model.picture, before);
});

test('a random end of a name is left out where the name is the only one of its kind', () => {
  const model = seen();
  const ids = ['c-11111111-2222-3333-4444-555555555555', 'c-66666666'];
  round(model, { groups: ids.map((id) => group({ [id]: [] }, { id })) });
  assert.deepEqual(
    ids.map((id) => model.picture.groups[id]?.name),
    ['c', 'c-66666666'],
  );
});

test('a silence counts from the last answer to the next one, however late it was noticed', () => {
  const model = seen();
  round(model, { now: 1000 });
  model.fallSilent(undefined, 11_000);
  model.fallSilent(undefined, 12_000);
  assert.deepEqual(model.picture.silence, { since: 1000 });
  round(model, { now: 15_600 });
  assert.deepEqual(model.picture.silence, { since: 1000, until: 15_600 });
});

test('the end of what may be read is shown only where it lies before the end', () => {
  const model = seen();
  round(model, { logs: [log(12, [], { stable: 11 })] });
  assert.equal(model.picture.partitions[0]?.stable, 11);
  round(model, { logs: [log(12)] });
  assert.equal(model.picture.partitions[0]?.stable, undefined);
});

test('a value is shown by its beginning, its control characters and those of direction escaped', () => {
  const model = seen();
  const odd = '\u001b[31m\u202edrowssap\u2066<script>alert(1)</script>\n';
  const values = [odd, null, '', 'ä'.repeat(450_000), 'x'.repeat(121), 'x'.repeat(120)];
  const { messages } = round(model, {
    logs: [
      log(
        16,
        values.map((value, index) => record(10 + index, value)),
      ),
    ],
  });
  assert.deepEqual(messages[0], model.messages[0]);
  assert.deepEqual(model.messages[0]?.slice(0, 3), [
    {
      offset: 10,
      timestamp: 10_000,
      value: '\\u001b[31m\\u202edrowssap\\u2066<script>alert(1)</script>\\u000a',
      bytes: Buffer.byteLength(odd),
    },
    { offset: 11, timestamp: 11_000, bytes: 0 },
    { offset: 12, timestamp: 12_000, value: '', bytes: 0 },
  ]);
  assert.deepEqual(
    model.messages[0]?.slice(3).map(({ value, isCut, bytes }) => [value, isCut, bytes]),
    [
      ['ä'.repeat(120), true, 900_000],
      ['x'.repeat(120), true, 121],
      ['x'.repeat(120), undefined, 120],
    ],
  );
});

test('the key of a message is shown too', () => {
  const model = seen();
  round(model, { logs: [log(11, [{ ...record(10), key: Buffer.from('my\nkey') }])] });
  assert.equal(model.messages[0]?.[0]?.key, 'my\\u000akey');
});

test('names of groups, clients and hosts are escaped too', () => {
  const model = seen();
  const id = 'evil\u202e\u0007';
  const answer = group({ a: [0] }, { id });
  Object.assign(answer.members[0] ?? {}, { client: 'c\u0000', host: 'h\n' });
  const { happenings } = round(model, { groups: [answer], now: 1 });
  assert.equal(model.picture.groups[id]?.name, 'evil\\u202e\\u0007');
  assert.equal(model.picture.groups[id]?.members.a?.client, 'c\\u0000');
  assert.equal(model.picture.groups[id]?.members.a?.host, 'h\\u000a');
  assert.equal(happenings.length, 1);
  assert.doesNotMatch(happenings[0]?.text ?? '', /[\p{Cc}\u202e]/u);
});

test('messages and happenings are kept up to a number, the newest ones', () => {
  const model = seen();
  for (let offset = 10; offset < 10_000; offset += 100) {
    const records = Array.from({ length: 100 }, (_, n) => record(offset + n));
    round(model, { logs: [log(offset + 100, records)] });
  }
  assert.ok((model.messages[0]?.length ?? 0) <= 2400);
  assert.equal(model.messages[0]?.at(-1)?.offset, 10_009);
  for (let now = 0; now < 10_000_000; now += 10_000) {
    model.fallSilent(undefined, now);
    round(model, { now: now + 5000 });
  }
  assert.equal(model.story.happenings.length, 500);
});

test('a message that comes twice is kept once', () => {
  const model = seen();
  round(model, { logs: [log(12, [record(10), record(11)])] });
  round(model, { logs: [log(13, [record(11), record(12)])] });
  assert.deepEqual(
    model.messages[0]?.map(({ offset }) => offset),
    [10, 11, 12],
  );
});

test('over some hundred rounds, what the page is told makes the picture that the model has', () => {
  const model = seen(2);
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed % below;
  };
  const ends = [10, 10];
  const offsets: Record<number, number> = { 0: 0, 1: 10 };
  for (let count = 1; count <= 300; count++) {
    const now = count * 200;
    for (const id of [0, 1]) {
      ends[id] = (ends[id] as number) + random(3);
      offsets[id] = Math.min(ends[id] as number, (offsets[id] as number) + random(4));
    }
    const members: Record<string, number[]> = random(10) === 0 ? { x: [0], y: [1] } : { x: [0, 1] };
    round(model, {
      groups: [group(members)],
      written: [commit(0, offsets[0] as number, now)],
      committed: [committed(offsets)],
      logs: ends.map((end, partition) => log(end, [], { partition })),
      now,
    });
    for (const { offsets: shown, lag } of Object.values(model.picture.groups)) {
      const lags = Object.entries(shown).map(([id, one]) => {
        assert.equal(one.committed + one.lag, model.picture.partitions[id]?.end);
        return one.lag;
      });
      assert.equal(
        lags.reduce((sum, one) => sum + one, 0),
        lag,
      );
    }
  }
});

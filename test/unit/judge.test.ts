import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, tickGaps, topicRecords, unacknowledged } from '../drills/judge';

const value = (second: number) => `{"current_time":"2026-01-01 00:00:0${second}"}`;
const records = topicRecords(
  [0, 1, 2, 3].map((n) => `CreateTime:${1000 * n}\tPartition:0\tOffset:${n}\t${value(n)}`).join('\n'),
);
const producer = [0, 1, 2, 3].map((n) => `Sent: ${value(n)} (partition 0, offset ${n})`);
const start = 'Starting at offset 0 (earliest, partition 0)';
const one = (n: number) => `Received: ${value(n)} (partition 0, offset ${n}, 0.0 s old)`;
const batch = (first: number, last: number) =>
  `Received: [${value(first)},${value(last)}] (2 messages, partition 0, offsets ${first}-${last}, up to 2.0 s old, full)`;

test('a message that no member of a group has handled is lost', () => {
  assert.equal(judge(records, producer, [[[start, one(0), one(1), one(3)]]]).lost, 1);
  assert.equal(
    judge(records, producer, [
      [
        [start, one(0), one(1)],
        [one(2), one(3)],
      ],
    ]).lost,
    0,
  );
});

test('before the start of a group nothing is lost', () => {
  const newest = ['Starting at offset 2 (latest, partition 0)', one(2), one(3)];
  assert.deepEqual(judge(records, producer, [[newest]]), { sent: 4, lost: 0, repeated: 0, disordered: 0 });
});

test('a message that comes again is a repeat, and no disorder', () => {
  const lines = [start, one(0), one(1), one(2), one(1), one(2), one(3)];
  assert.deepEqual(judge(records, producer, [[lines]]), { sent: 4, lost: 0, repeated: 2, disordered: 0 });
});

test('a message that comes after a later one is out of order', () => {
  assert.equal(judge(records, producer, [[[start, one(1), one(0), one(2), one(3)]]]).disordered, 1);
});

test('a batch counts for each of its messages', () => {
  assert.deepEqual(judge(records, producer, [[[start, batch(0, 1), batch(2, 3)]]]).lost, 0);
  assert.deepEqual(judge(records, producer, [[[start, batch(0, 1)]]]).lost, 2);
});

test('a batch that counts a message twice is out of order', () => {
  const twice = batch(0, 1).replace('(2 messages', '(3 messages');
  assert.equal(judge(records, producer, [[[start, twice, batch(2, 3)]]]).disordered, 1);
});

test('what was said to be sent and is not in the topic is lost; what is in it twice is a repeat', () => {
  assert.equal(judge(records.slice(0, 3), producer, []).lost, 1);
  const twice = topicRecords(`CreateTime:3000\tPartition:0\tOffset:4\t${value(3)}`);
  assert.equal(judge([...records, ...twice], producer, []).repeated, 1);
});

test('messages in the topic in another order than that of their ticks are out of order', () => {
  const late = records.map((record) => (record.offset === 3 ? { ...record, timestamp: 500 } : record));
  assert.equal(judge(late, producer, []).disordered, 1);
});

test('ticks that are missing, or come twice, are told from a producer that stood still', () => {
  const at = (...times: number[]) =>
    times.map((timestamp, offset) => ({ partition: 0, offset, timestamp, value: '' }));
  assert.deepEqual(tickGaps(at(0, 20, 60), 20), { stood: [], wrong: [40] });
  assert.deepEqual(tickGaps(at(0, 20, 20, 40), 20), { stood: [], wrong: [0] });
  assert.deepEqual(tickGaps(at(0, 20, 5020, 5040), 20), { stood: [], wrong: [5000] });
  assert.deepEqual(tickGaps(at(0, 20, 1533, 1553), 20), { stood: [1513], wrong: [] });
  assert.deepEqual(tickGaps(at(40, 0, 20), 20), { stood: [], wrong: [] });
});

test('a record that the stopped producer said may be there is no repetition; another one is', () => {
  assert.equal(judge(records, producer.slice(0, -1), [], 0, 1).repeated, 0);
  assert.equal(judge(records, producer.slice(0, -2), [], 0, 1).repeated, 1);
  const ends = ['Stopped with 2 messages not sent: not acknowledged within 1.5 s, and may be there'];
  assert.equal(unacknowledged([...producer, ...ends]), 2);
  assert.equal(unacknowledged([...producer, 'Stopped with 3 messages not sent: the broker is away']), 0);
});

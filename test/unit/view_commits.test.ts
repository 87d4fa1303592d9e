/** What is read of the topic in which Kafka keeps the groups' commits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commitOf } from '../../view/commits';

const text = (value: string) => {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
};
const int16 = (value: number) => Buffer.from([value >> 8, value & 255]);
const int32 = (value: number) => Buffer.concat([int16(value >> 16), int16(value & 65_535)]);
const int64 = (value: number) => Buffer.concat([int32(Math.floor(value / 2 ** 32)), int32(value % 2 ** 32)]);

const key = (version = 1) => Buffer.concat([int16(version), text('pär'), text('t'), int32(3)]);
const value = Buffer.concat([int16(3), int64(2 ** 33 + 7), int32(-1), text(''), int64(0)]);
const record = (key: Buffer | null, value: Buffer | null) => ({ offset: 0, timestamp: 7000, key, value });

test('a commit is read of its key and the beginning of its value', () => {
  const commit = { group: 'pär', topic: 't', partition: 3, offset: 2 ** 33 + 7, at: 7000 };
  for (const version of [0, 1]) assert.deepEqual(commitOf(record(key(version), value)), commit);
});

test('what is no commit is passed over: members, deletions, what is cut off', () => {
  assert.equal(commitOf(record(key(2), value)), undefined);
  assert.equal(commitOf(record(key(), null)), undefined);
  assert.equal(commitOf(record(null, value)), undefined);
  assert.equal(commitOf(record(key().subarray(0, 6), value)), undefined);
  assert.equal(commitOf(record(Buffer.alloc(0), Buffer.alloc(0))), undefined);
});

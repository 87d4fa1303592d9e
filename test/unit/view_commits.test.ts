/** What is read of the topic in which Kafka keeps the groups' commits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writtenIn } from '../../view/commits';

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
  for (const version of [0, 1]) assert.deepEqual(writtenIn(record(key(version), value)), commit);
});

test('an offset that was deleted is a commit of none', () => {
  const { offset, ...rest } = { group: 'pär', topic: 't', partition: 3, offset: undefined, at: 7000 };
  assert.deepEqual(writtenIn(record(key(), null)), { ...rest, offset });
});

test('that partitions were shared out is read of the record of the group', () => {
  const group = Buffer.concat([int16(2), text('pär')]);
  assert.deepEqual(writtenIn(record(group, value)), { group: 'pär', at: 7000 });
  assert.equal(writtenIn(record(group, null)), undefined, 'the group was deleted');
  const member = Buffer.concat([int16(8), text('pär'), text('a member')]);
  assert.deepEqual(writtenIn(record(member, value)), { group: 'pär', at: 7000 }, "of Kafka 4's protocol");
});

test('what is none of them is passed over: later kinds, what is cut off', () => {
  assert.equal(writtenIn(record(key(3), value)), undefined);
  assert.equal(writtenIn(record(null, value)), undefined);
  assert.equal(writtenIn(record(key().subarray(0, 6), value)), undefined);
  assert.equal(writtenIn(record(Buffer.alloc(0), Buffer.alloc(0))), undefined);
});

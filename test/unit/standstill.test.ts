import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FetchedPartition, findStandstills } from '../../lib/client/fetch';

const answer: FetchedPartition = {
  partition: 2,
  errorCode: 0,
  start: 0,
  stable: 9,
  end: 9,
  aborted: [],
  records: Buffer.alloc(0),
};
const other: FetchedPartition = { ...answer, partition: 3, records: Buffer.alloc(61) };

/** What is told of these, all asked for from offset 5 on: the partition and the error's name. */
const told = (...answers: FetchedPartition[]) =>
  [...findStandstills(answers, new Map(answers.map(({ partition }) => [partition, 5])))].map(
    ([partition, error]) => [partition, error?.type],
  );

test('a log that goes on while nothing comes of it is a standstill', () => {
  const [[, error] = []] = findStandstills([answer], new Map([[2, 5]]));
  assert.equal(error?.type, 'NO_RECORDS');
  assert.equal(
    error?.message,
    'offsets 5-8 (partition 2): the broker has them, it says, and gives none whole',
  );
});

test('so is an open transaction, whatever comes of other partitions', () => {
  const [[, error] = []] = findStandstills([{ ...answer, stable: 5 }, other], new Map([[2, 5]]));
  assert.equal(error?.type, 'OPEN_TRANSACTION');
  assert.match(error?.message as string, /^offsets 5-8 \(partition 2\) wait for a transaction/);
});

test('it is none at the end of the log, and where something has come', () => {
  assert.deepEqual(told({ ...answer, end: 5 }), [[2, undefined]]);
  assert.deepEqual(told(other), [[3, undefined]]);
});

test('an answer that other partitions have filled, or that is an error, does not tell', () => {
  assert.deepEqual(told(answer, other), [[3, undefined]]);
  assert.deepEqual(told({ ...answer, errorCode: 6 }), []);
});

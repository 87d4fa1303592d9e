import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findStandstill } from '../../lib/client/fetch';

const answer = { partition: 2, errorCode: 0, start: 0, end: 9, aborted: [], records: Buffer.alloc(0) };

test('a log that goes on while nothing comes of it is a standstill', () => {
  const given = findStandstill({ ...answer, stable: 9 }, 5, true);
  assert.equal(given?.type, 'NO_RECORDS');
  assert.equal(given?.message, 'offsets 5-8 (partition 2) are there, says the broker, and gives none');
  const open = findStandstill({ ...answer, stable: 5 }, 5, false);
  assert.equal(open?.type, 'OPEN_TRANSACTION');
  assert.match(open?.message as string, /^offsets 5-8 \(partition 2\) wait for a transaction/);
});

test('it is none at the end of the log, where something has come, or where other partitions may have filled the answer', () => {
  assert.equal(findStandstill({ ...answer, stable: 9 }, 9, true), undefined);
  assert.equal(findStandstill({ ...answer, stable: 9, records: Buffer.alloc(1) }, 5, false), undefined);
  assert.equal(findStandstill({ ...answer, stable: 9 }, 5, false), undefined);
});

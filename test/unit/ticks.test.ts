import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ticks } from '../../lib/process/ticks';

test('ticks do not drift: each is a whole number of intervals after the first', async () => {
  const stop = new AbortController();
  const times: number[] = [];
  for await (const time of ticks(7, stop.signal)) {
    times.push(time.getTime());
    if (times.length === 20) stop.abort();
  }
  assert.deepEqual(
    times.map((time) => (time - (times[0] as number)) % 7),
    times.map(() => 0),
  );
  assert.equal((times[19] as number) - (times[0] as number), 19 * 7);
});

test('a stop ends the wait for the next tick', async () => {
  const stop = new AbortController();
  let count = 0;
  for await (const _ of ticks(2_147_483_647, stop.signal)) {
    count++;
    setImmediate(() => stop.abort());
  }
  assert.equal(count, 1);
});

test('what a busy machine makes late by seconds is made up for', async () => {
  const stop = new AbortController();
  const times: number[] = [];
  for await (const time of ticks(100, stop.signal)) {
    times.push(time.getTime());
    // Nothing of this process runs meanwhile.
    if (times.length === 3) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
    if (times.length === 20) stop.abort();
  }
  assert.equal((times[19] as number) - (times[0] as number), 19 * 100);
});

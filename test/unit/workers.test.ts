/** What the workers do with slow handlers and refused commits; the real broker comes in test/integration. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchConfig } from '../../lib/config';
import { Progress } from '../../lib/progress';
import { sleep } from '../../lib/service';
import { InBatches, OneByOne } from '../../lib/workers';
import { until } from '../support/service';

const never = () => false;

function records(from: number, to: number) {
  const value = Buffer.from('{"current_time":"2026-01-02 03:04:05"}');
  return Array.from({ length: to - from }, (_, n) => ({ offset: String(from + n), timestamp: '0', value }));
}

function inBatches(settings: Record<string, string>, delayMs: number, send = async () => {}) {
  const progress = new Progress();
  progress.commitBy(send);
  const calls: { partition: number; first: number; messages: number; ending: string }[] = [];
  const config = batchConfig('b', { autoOffsetReset: 'earliest' }, settings);
  const worker = new InBatches(progress, config, async (messages, ending) => {
    const [{ partition, offset }] = messages as [(typeof messages)[0]];
    calls.push({ partition, first: offset, messages: messages.length, ending });
    await sleep(delayMs);
  });
  return { progress, worker, calls };
}

test('with a slow handler, the partitions take turns, and each batch has waited at least as long as it must', async () => {
  const { worker, calls } = inBatches({ BATCH_SIZE: '1000', BATCH_WAIT_MS: '60' }, 50);
  for (let n = 0; calls.length < 16; n++) {
    for (const partition of [0, 1, 2, 3]) await worker.take(partition, records(n, n + 1), never);
    await sleep(2);
  }
  const turns = calls.map(({ partition }) => partition);
  for (const from of [0, 4, 8, 12]) assert.deepEqual(turns.slice(from, from + 4).sort(), [0, 1, 2, 3]);
  for (const { ending } of calls) assert.ok(Number(/waited (\d+) ms/.exec(ending)?.[1]) >= 60, ending);
  worker.drop();
});

test('while a commit is refused no further batch is handled, of any partition; then all are, once', async () => {
  let refused = true;
  const { worker, calls, progress } = inBatches({ BATCH_SIZE: '2', BATCH_WAIT_MS: '20' }, 0, async () => {
    if (refused) throw new Error('refused');
  });
  await worker.take(0, records(0, 2), never);
  await until('the refusal', () => progress.isOwed);
  for (const partition of [0, 1, 2]) await worker.take(partition, records(2, 3), never);
  await sleep(100);
  assert.equal(calls.length, 1);
  refused = false;
  await until('the others', () => calls.length === 4);
  assert.deepEqual(
    calls
      .slice(1)
      .map(({ partition }) => partition)
      .sort(),
    [0, 1, 2],
  );
});

test('records whose batch cannot be committed are left, not pressed into it', async () => {
  let interrupted = false;
  const { worker, calls, progress } = inBatches({ BATCH_SIZE: '2', BATCH_WAIT_MS: '60000' }, 0, async () => {
    throw new Error('refused');
  });
  await worker.take(0, records(0, 2), never);
  setTimeout(() => {
    interrupted = true;
  }, 50);
  assert.equal(
    await worker.take(0, records(2, 8), () => interrupted),
    4,
    'those after the full batch were not taken',
  );
  assert.equal(calls.length, 1);
  progress.commitBy(async () => {});
  // At once: it is full, whatever it still might wait.
  await until('the batch that was full', () => calls.length === 2, 10_000);
  assert.deepEqual(calls[1], { partition: 0, first: 2, messages: 2, ending: 'full' });
});

test('after a rebalance a batch in the making is dropped, and its turn is no longer taken', async () => {
  const { worker, calls, progress } = inBatches({ BATCH_SIZE: '10', BATCH_WAIT_MS: '20' }, 0);
  await worker.take(0, records(0, 3), never);
  progress.forget();
  worker.drop();
  await worker.take(0, records(0, 2), never);
  await until('the batch of after', () => calls.length === 1);
  assert.equal(calls[0]?.messages, 2);
});

test('one by one, at most a hundred messages are handled while a commit is not acknowledged', async () => {
  const progress = new Progress();
  let acknowledge = () => {};
  progress.commitBy(() => new Promise((resolve) => (acknowledge = resolve)));
  let handled = 0;
  const worker = new OneByOne(progress, async () => void handled++);
  const taken = worker.take(0, records(0, 60), never).then(() => {
    void progress.commit();
    return worker.take(0, records(60, 300), never);
  });
  await sleep(100);
  assert.equal(handled, 100);
  const acknowledging = setInterval(() => acknowledge(), 5);
  assert.equal(await taken, 300);
  clearInterval(acknowledging);
});

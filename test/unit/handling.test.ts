/** What the workers do with slow handlers and refused commits; the real broker comes in test/integration. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { InBatches } from '../../lib/handling/batches';
import { Commits } from '../../lib/handling/commits';
import { OneByOne } from '../../lib/handling/one_by_one';
import { sleep } from '../../lib/process/service';

// The time is the test's own.
let now = 0;
beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  mock.method(performance, 'now', () => now);
});
afterEach(() => mock.reset());

/** Lets so many ms pass, and whoever has waited for one of them go on. */
async function pass(ms: number): Promise<void> {
  for (const end = now + ms; now < end; ) {
    now++;
    mock.timers.tick(1);
    await turn();
  }
}

const never = new AbortController().signal;

/** The records from one offset up to, not including, another. */
function fetched(from: number, end: number) {
  const value = Buffer.from('{"current_time":"2026-01-02 03:04:05"}');
  const records = Array.from({ length: end - from }, (_, n) => ({ offset: from + n, timestamp: 0, value }));
  return { records, end };
}

function inBatches(size: number, waitMs: number, delayMs: number, send = async () => {}, until = never) {
  const calls: { partition: number; first: number; messages: number; ending: string }[] = [];
  const commits = new Commits(send);
  const worker = new InBatches(commits, until, size, waitMs, async (messages, ending) => {
    const [{ partition, offset }] = messages as [(typeof messages)[0]];
    calls.push({ partition, first: offset, messages: messages.length, ending });
    if (delayMs > 0) await sleep(delayMs);
  });
  return { commits, worker, calls };
}

test('with a slow handler, the partitions take turns, and each batch has waited at least as long as it must', async () => {
  const { worker, calls } = inBatches(1000, 60, 50);
  for (let n = 0; calls.length < 16; n++) {
    for (const partition of [0, 1, 2, 3]) await worker.take(partition, fetched(n, n + 1));
    await pass(2);
  }
  const turns = calls.map(({ partition }) => partition);
  for (const from of [0, 4, 8, 12]) assert.deepEqual(turns.slice(from, from + 4).sort(), [0, 1, 2, 3]);
  for (const { ending } of calls) assert.ok(Number(/waited (\d+) ms/.exec(ending)?.[1]) >= 60, ending);
  void worker.drop();
});

test('while a commit is refused no further batch is handled, of any partition; then all are, once', async () => {
  let refused = true;
  let refusals = 0;
  const { worker, calls } = inBatches(2, 20, 0, async () => {
    if (refused) throw new Error(`refused ${++refusals}`);
  });
  await worker.take(0, fetched(0, 2));
  await pass(1);
  assert.equal(refusals, 1);
  for (const partition of [0, 1, 2]) await worker.take(partition, fetched(2, 3));
  await pass(1000);
  assert.ok(refusals > 1);
  assert.equal(calls.length, 1);
  refused = false;
  await pass(1000);
  assert.equal(calls.length, 4);
  assert.deepEqual(
    calls
      .slice(1)
      .map(({ partition }) => partition)
      .sort(),
    [0, 1, 2],
  );
});

test('records whose batch cannot be committed are left, not pressed into it', async () => {
  const rebalance = new AbortController();
  let refused = true;
  const send = async () => {
    if (refused) throw new Error('refused');
  };
  const { worker, calls } = inBatches(2, 60_000, 0, send, rebalance.signal);
  await worker.take(0, fetched(0, 2));
  const taking = worker.take(0, fetched(2, 8));
  await pass(1000);
  rebalance.abort();
  await pass(1000);
  assert.equal(await taking, 4, 'those after the full batch were not taken');
  assert.equal(calls.length, 1);
  refused = false;
  // Where the member is to stop, it is handled all the same.
  await worker.drain();
  assert.deepEqual(calls[1], { partition: 0, first: 2, messages: 2, ending: 'full' });
});

test('the next batch gathers while the commit of the one before is under way, and is handled after it', async () => {
  let acknowledge = () => {};
  const { worker, calls } = inBatches(
    2,
    60_000,
    0,
    () => new Promise<void>((resolve) => (acknowledge = resolve)),
  );
  let taken = false;
  const taking = worker.take(0, fetched(0, 4)).then(() => {
    taken = true;
  });
  await pass(1000);
  assert.equal(calls.length, 1);
  assert.equal(taken, false);
  acknowledge();
  await taking;
  assert.equal(calls.length, 2);
  acknowledge();
});

test('what is behind the last record is committed, and with a batch in the making, after that batch', async () => {
  const { worker, commits } = inBatches(10, 30, 0);
  const sent: number[] = [];
  const original = commits.handled.bind(commits);
  commits.handled = (partition, next, messages) => {
    sent.push(next);
    original(partition, next, messages);
  };
  await worker.take(0, { records: [], end: 7 });
  await pass(1);
  assert.deepEqual(sent, [7], 'the end of a log of markers');
  await worker.take(0, { records: fetched(7, 9).records, end: 12 });
  await pass(29);
  assert.deepEqual(sent, [7]);
  await pass(1);
  assert.deepEqual(sent, [7, 12], 'the batch, and the end behind it');
});

/** Of so many bytes each. */
function large(from: number, end: number, bytes: number, character = 'x') {
  const padding = character.repeat((bytes - 50) / Buffer.byteLength(character));
  const value = Buffer.from(`{"current_time":"2026-01-02 03:04:05","padding":"${padding}"}`);
  const records = Array.from({ length: end - from }, (_, n) => ({ offset: from + n, timestamp: 0, value }));
  return { records, end };
}

test('a batch is handed over, too, before it holds more than 8 MB', async () => {
  const { worker, calls } = inBatches(10_000, 60_000, 0);
  await worker.take(0, large(0, 20, 1_000_000));
  assert.deepEqual(calls.slice(0, 2), [
    { partition: 0, first: 0, messages: 7, ending: 'full at 8 MB' },
    { partition: 0, first: 7, messages: 7, ending: 'full at 8 MB' },
  ]);
  await worker.drain();
  assert.deepEqual(calls[2], { partition: 0, first: 14, messages: 6, ending: 'stopping' });
});

test('a message that is larger than that is handed over at once, and alone', async () => {
  const { worker, calls } = inBatches(5, 60_000, 0);
  await worker.take(0, fetched(0, 2));
  await worker.take(0, large(2, 4, 10_000_000));
  assert.deepEqual(
    calls.map(({ first, messages, ending }) => ({ first, messages, ending })),
    [
      { first: 0, messages: 2, ending: 'full at 8 MB' },
      { first: 2, messages: 1, ending: 'full at 8 MB' },
      { first: 3, messages: 1, ending: 'full at 8 MB' },
    ],
  );
});

test('the batches of all partitions together hold no more than that: the largest one goes', async () => {
  const { worker, calls } = inBatches(10_000, 60_000, 0);
  await worker.take(7, large(0, 3, 1_000_000));
  for (let partition = 100; partition < 1000; partition++)
    await worker.take(partition, large(0, 1, 6000, 'ä'));
  assert.deepEqual(calls, [{ partition: 7, first: 0, messages: 3, ending: 'full at 8 MB' }]);
  for (let partition = 100; partition < 1000; partition++)
    await worker.take(partition, large(1, 9, 6000, 'ä'));
  await worker.drain();
  assert.ok(calls.some(({ ending }) => ending === 'full at 8 MB'));
  assert.equal(
    calls.reduce((sum, { messages }) => sum + messages, 0),
    3 + 900 * 9,
  );
});

test('once the generation is over a batch in the making is dropped, and its turn is no longer taken', async () => {
  const { worker, calls } = inBatches(10, 20, 0);
  await worker.take(0, fetched(0, 3));
  void worker.drop();
  await pass(1000);
  assert.deepEqual(calls, []);
});

test('one by one, at most a hundred messages are handled while a commit is not acknowledged', async () => {
  let acknowledge = () => {};
  const commits = new Commits(() => new Promise<void>((resolve) => (acknowledge = resolve)));
  let handled = 0;
  const worker = new OneByOne(commits, never, async () => void handled++);
  const taken = worker.take(0, fetched(0, 300));
  await pass(2000);
  assert.equal(handled, 100);
  acknowledge();
  await pass(2000);
  assert.equal(handled, 200);
  acknowledge();
  assert.equal(await taken, 300);
  commits.end();
});

test('one by one, an interruption leaves the records that come after, and a log that ends with markers has no lag', async () => {
  const sent: (number | undefined)[] = [];
  const commits = new Commits(async (offsets) => void sent.push(offsets.get(0)));
  const rebalance = new AbortController();
  const interrupted = new OneByOne(commits, rebalance.signal, async ({ offset }) => {
    if (offset === 2) rebalance.abort();
  });
  assert.equal(await interrupted.take(0, fetched(0, 5)), 3);
  const next = new OneByOne(commits, never, async () => {});
  assert.equal(await next.take(0, { records: fetched(3, 5).records, end: 9 }), 9);
  await commits.commit();
  assert.deepEqual(sent, [9]);
});

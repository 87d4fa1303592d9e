import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type FetchedBatch, type FetchedRecord, mendRecords } from '../../lib/client/records';
import {
  type BatchData,
  encode,
  encodeMany,
  encodeMarker,
  GZIP,
  LOG_APPEND_TIME,
  type RecordData,
  TRANSACTIONAL,
} from '../support/records';

const DECODE = 'kafkajs/src/protocol/requests/fetch/v4/decodeMessages';
const BATCH = 'kafkajs/src/consumer/batch';
const Decoder = require('kafkajs/src/protocol/decoder');

before(mendRecords);

interface Transaction {
  producerId: string;
  firstOffset: string;
}

interface Read {
  records: FetchedRecord[];
  next: number;
}

/** What the mended kafkajs gives for a partition's record batches, through its own response of a fetch. */
async function fetched(bytes: Buffer, from = 0, aborted: Transaction[] = []): Promise<FetchedBatch> {
  const { partitions } = (await decodeResponse(bytes, aborted)).responses[0];
  const Batch = require(BATCH);
  return new Batch('topic', String(from), partitions[0]);
}

async function read(bytes: Buffer, from = 0, aborted: Transaction[] = []): Promise<Read> {
  const batch = await fetched(bytes, from, aborted);
  return { records: [...batch.records()], next: batch.next };
}

function decodeResponse(bytes: Buffer, aborted: Transaction[]) {
  const Encoder = require('kafkajs/src/protocol/encoder');
  const encoder = new Encoder().writeInt32(0).writeInt16(0).writeInt32(0);
  encoder.writeInt32(1).writeString('topic').writeInt32(1);
  encoder
    .writeInt32(0)
    .writeInt16(0)
    .writeInt64(100)
    .writeInt64(100)
    .writeInt64(0)
    .writeInt32(aborted.length);
  for (const { producerId, firstOffset } of aborted) encoder.writeInt64(producerId).writeInt64(firstOffset);
  encoder.writeInt32(-1).writeBytes(bytes);
  return require('kafkajs/src/protocol/requests/fetch/v11/response').decode(encoder.buffer);
}

/** What kafkajs gives of itself. */
async function readByKafkajs(bytes: Buffer, from = 0, abortedTransactions: Transaction[] = []) {
  const decodeMessages = unmended(DECODE);
  const Batch = unmended(BATCH);
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length);
  const messages = await decodeMessages(new Decoder(Buffer.concat([size, bytes])));
  const data = { partition: 0, highWatermark: '100', abortedTransactions, messages };
  return new Batch('topic', String(from), data).messages.map(
    (
      message: Record<'offset' | 'timestamp', string> & Record<'key' | 'value', Buffer | null>,
    ): FetchedRecord => ({
      offset: Number(message.offset),
      timestamp: message.timestamp === '-1' ? undefined : Number(message.timestamp),
      key: message.key,
      value: message.value,
    }),
  );
}

/** The file's own export, whatever has taken its place. */
function unmended(path: string) {
  const file = require.resolve(path);
  const mended = require.cache[file];
  delete require.cache[file];
  const original = require(path);
  require.cache[file] = mended;
  assert.notEqual(original, mended?.exports);
  return original;
}

/** Numbers from 0 to 1 that look random and are the same for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface LogBatch {
  first: number;
  last: number;
  bytes: Buffer;
}

/** A partition's log, of several producers at once, and its aborted transactions in the order of their ends. */
async function randomLog(random: () => number) {
  const upTo = (limit: number) => Math.floor(random() * limit);
  const oneOf = <T>(...choices: T[]) => choices[upTo(choices.length)] as T;
  const bytes = () => oneOf(null, '', 'k', 'key', 'v'.repeat(63), 'v'.repeat(64), 'v'.repeat(10_000));
  const field = () => {
    const text = bytes();
    return text === null ? null : Buffer.from(text + (text && upTo(1000)));
  };
  const headers = () =>
    oneOf<RecordData['headers']>(
      {},
      {},
      { trace: 'a' },
      { trace: ['a', 'b'], empty: '', long: 'x'.repeat(200) },
    );

  const log: LogBatch[] = [];
  const aborted: (Transaction & { end: number })[] = [];
  const open = new Map<number, number>();
  let offset = oneOf(0, upTo(1000), 2 ** 31 - 20, 2 ** 32 - 20, Number.MAX_SAFE_INTEGER - 1_000_000);

  const add = (first: number, last: number, encoded: Buffer) => {
    log.push({ first, last, bytes: encoded });
    offset = last + 1 + oneOf(0, 0, 0, upTo(100));
  };
  const end = async (producerId: number) => {
    const type = oneOf<'abort' | 'commit'>('abort', 'commit');
    const firstOffset = String(open.get(producerId));
    if (type === 'abort') aborted.push({ producerId: String(producerId), firstOffset, end: offset });
    open.delete(producerId);
    add(offset, offset, await encodeMarker(offset, producerId, type));
  };

  for (let count = 1 + upTo(12); count > 0; count--) {
    const producerId = oneOf(-1, 7, 8, 2 ** 40);
    if (open.has(producerId) && random() < 0.4) {
      await end(producerId);
      continue;
    }
    const isTransactional = producerId >= 0 && (open.has(producerId) || random() < 0.7);
    const begins = isTransactional && !open.has(producerId);
    if (begins) open.set(producerId, offset);
    const firstTimestamp = oneOf(-1, 0, 1_795_000_000_000, 2 ** 52);
    const records: RecordData[] = [];
    let delta = begins ? 0 : oneOf(0, 0, upTo(5));
    for (let left = begins ? 1 + upTo(20) : oneOf(0, 1, 2, upTo(80)); left > 0; left--) {
      const time = oneOf(firstTimestamp, firstTimestamp + upTo(70), -1, upTo(1e6), upTo(2 ** 53));
      const timestampDelta = time - firstTimestamp;
      records.push({ offsetDelta: delta, timestampDelta, key: field(), value: field(), headers: headers() });
      delta += 1 + oneOf(0, 0, 0, upTo(3), upTo(10_000));
    }
    const batch: BatchData = {
      firstOffset: offset,
      lastOffsetDelta: delta + oneOf(0, upTo(5)),
      firstTimestamp,
      maxTimestamp: oneOf(firstTimestamp, 1_795_000_000_123, upTo(2 ** 53)),
      producerId,
      attributes: (isTransactional ? TRANSACTIONAL : 0) | oneOf(0, 0, LOG_APPEND_TIME) | oneOf(0, 0, GZIP),
      records,
    };
    add(offset, offset + (batch.lastOffsetDelta as number), await encode(batch));
  }
  for (const producerId of open.keys()) await end(producerId);
  return { log, aborted };
}

test('random record batches give the same records as kafkajs reads', async () => {
  let compared = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const random = randomNumbers(seed);
    const { log, aborted } = await randomLog(random);
    // A fetch begins with the record batch that has its offset, and ends anywhere.
    const begin = Math.floor(random() * log.length);
    const { first, last } = log[begin] as LogBatch;
    const from = first + Math.floor(random() * (last - first + 1));
    const cut = random() < 0.5 ? log.length : begin + Math.floor(random() * (log.length - begin));
    const tail = log[cut]?.bytes ?? Buffer.alloc(0);
    const complete = log.slice(begin, cut);
    const bytes = [
      ...complete.map((batch) => batch.bytes),
      tail.subarray(0, Math.floor(random() * tail.length)),
    ];
    // The broker names the aborted transactions that reach into what was fetched, in the order of their ends.
    const end = log[cut]?.first ?? Number.POSITIVE_INFINITY;
    const named = aborted.filter((one) => one.end >= from && Number(one.firstOffset) < end);

    // kafkajs is right about aborted transactions where it reads from their starts on, and knows of them in that order.
    const whole = Buffer.concat(log.slice(0, cut).map((batch) => batch.bytes));
    const sorted = [...aborted].sort((a, b) => Number(a.firstOffset) - Number(b.firstOffset));
    const expected = (await readByKafkajs(whole, 0, sorted)).filter(
      ({ offset }: FetchedRecord) => offset >= from,
    );
    try {
      const actual = await read(Buffer.concat(bytes), from, named);
      assert.deepEqual(actual.records, expected);
      assert.equal(actual.next, (complete.at(-1)?.last ?? from - 1) + 1);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`);
    }
    compared += expected.length;
  }
  assert.ok(compared > 2000, `only ${compared} records compared`);
});

const value = Buffer.from('{"current_time":"2026-11-23 20:00:01"}');
const three = [0, 1, 2].map((offsetDelta) => ({ offsetDelta, value }));
const offsets = ({ records }: Read) => records.map(({ offset }) => offset);

test('messages in the format of before Kafka 0.11 give the same as kafkajs reads', async () => {
  const MessageSet = require('kafkajs/src/protocol/messageSet');
  for (const messageVersion of [0, 1]) {
    const entries = [0, 1, 2].map((n) => ({
      compression: 0,
      timestamp: 1000 + n,
      key: `${n}`,
      value: `v${n}`,
    }));
    const { buffer } = MessageSet({ messageVersion, compression: 0, entries });
    for (let at = 0, offset = 5; at < buffer.length; at += 12 + buffer.readInt32BE(at + 8), offset++)
      buffer.writeBigInt64BE(BigInt(offset), at);
    const expected = (await readByKafkajs(buffer, 6)).map((record: FetchedRecord) =>
      messageVersion === 0 ? { ...record, timestamp: undefined } : record,
    );
    assert.deepEqual(await read(buffer, 6), { records: expected, next: 8 });
    assert.equal(expected.length, 2);
  }
});

test('a record batch without records moves the position', async () => {
  const bytes = await encode({ firstOffset: 5, lastOffsetDelta: 6 });
  assert.deepEqual(await read(bytes, 5), { records: [], next: 12 });
});

test('a record batch of control records only gives none, and moves the position', async () => {
  assert.deepEqual(await read(await encodeMarker(9, 7, 'commit'), 9), { records: [], next: 10 });
});

test('aborted records are left out, and move the position', async () => {
  const data = await encode({ firstOffset: 0, producerId: 7, attributes: TRANSACTIONAL, records: three });
  const bytes = Buffer.concat([data, await encodeMarker(3, 7, 'abort')]);
  assert.deepEqual(await read(bytes, 0, [{ producerId: '7', firstOffset: '0' }]), { records: [], next: 4 });
});

test('aborted transactions are known by their producers, in whatever order they began', async () => {
  const by = (producerId: number, firstOffset: number) =>
    encode({ firstOffset, producerId, attributes: TRANSACTIONAL, records: three });
  const bytes = Buffer.concat([
    await by(7, 0),
    await by(8, 3),
    // Not in a transaction.
    await encode({ firstOffset: 6, producerId: 7, records: [{ offsetDelta: 0, value }] }),
    await encodeMarker(7, 8, 'abort'),
    await by(8, 8),
    await encodeMarker(11, 7, 'abort'),
    await encodeMarker(12, 8, 'commit'),
    await by(7, 13),
    await encodeMarker(16, 7, 'commit'),
  ]);
  const aborted = [
    { producerId: '8', firstOffset: '3' },
    { producerId: '7', firstOffset: '0' },
  ];
  assert.deepEqual(offsets(await read(bytes, 0, aborted)), [6, 8, 9, 10, 13, 14, 15]);
});

test('a lone record batch that is cut off moves nothing', async () => {
  const whole = await encode({ firstOffset: 5, records: three });
  for (let size = 0; size < whole.length; size++)
    assert.deepEqual(await read(whole.subarray(0, size), 6), { records: [], next: 6 }, `${size} bytes`);
  assert.deepEqual(offsets(await read(whole, 6)), [6, 7]);
});

test('kafkajs hands whatever moves the position to the handler, and nothing else', async () => {
  const handed: number[] = [];
  const logger = { namespace: () => logger };
  const Runner = require('kafkajs/src/consumer/runner');
  const runner = new Runner({
    logger,
    instrumentationEmitter: { emit: () => {} },
    consumerGroup: { heartbeat: async () => {} },
    eachBatchAutoResolve: false,
    autoCommit: false,
    eachBatch: async ({ batch }: { batch: FetchedBatch }) => handed.push(batch.next),
  });
  runner.running = true;
  const empty = await encode({ firstOffset: 5, lastOffsetDelta: 6 });
  const before = await encode({ firstOffset: 2, records: three });
  for (const bytes of [
    empty,
    await encodeMarker(9, 7, 'commit'),
    empty.subarray(0, 60),
    Buffer.alloc(0),
    before,
  ])
    await runner.handleBatch(await fetched(bytes, 5));
  assert.deepEqual(handed, [12, 10]);
});

test('what is replaced must be what is expected', () => {
  // By now it is ours that is exported.
  assert.throws(
    mendRecords,
    /^Error: kafkajs\/src\/consumer\/batch does not export Batch: is this kafkajs 2\.2\.4\?$/,
  );
});

test("a fetched batch tells how far it is behind the partition's end", async () => {
  const batch = await fetched(await encode({ firstOffset: 5, records: three }), 6);
  assert.deepEqual(
    [batch.firstOffset(), batch.lastOffset(), batch.offsetLag(), batch.offsetLagLow()],
    ['6', '7', '92', '93'],
  );
});

/** The batch of three records, its byte at the position replaced. */
async function damaged(at: number, byte: number, attributes = 0) {
  const bytes = await encode({ firstOffset: 5, attributes, records: three });
  bytes[at] = byte;
  return bytes;
}

test('a record batch that makes no sense is an error of one line', async () => {
  const corrupt = (what: string) => ({
    name: 'KafkaJSNonRetriableError',
    type: 'CORRUPT_RECORDS',
    message: `The record batch at offset 5 of topic-0 is corrupt: ${what}`,
  });
  const size = (await encode({ firstOffset: 5, records: three })).length - 61;
  const [length, lastOffsetDelta, count, record, key, timestamp] = [8, 23, 57, 61, 65, 63];
  await assert.rejects(read(await damaged(length, 0xff)), { type: 'CORRUPT_RECORDS' });
  await assert.rejects(read(await damaged(length + 3, 48)), corrupt('-1 bytes of 3 records, up to offset 7'));
  await assert.rejects(read(await damaged(lastOffsetDelta, 0xff)), { type: 'CORRUPT_RECORDS' });
  await assert.rejects(
    read(await damaged(count, 0xff)),
    corrupt(`${size} bytes of -16777213 records, up to offset 7`),
  );
  // More records than there are: the fourth begins where the batch ends.
  await assert.rejects(read(await damaged(count + 3, 4)), { type: 'CORRUPT_RECORDS' });
  await assert.rejects(read(await damaged(record, 1)), corrupt('a record of -1 bytes'));
  await assert.rejects(read(await damaged(record, 0xff)), { type: 'CORRUPT_RECORDS' });
  await assert.rejects(read(await damaged(key, 3)), corrupt('a key or value of -2 bytes'));
  await assert.rejects(read(await damaged(key, 120)), corrupt('a key or value of 60 bytes'));
  await assert.rejects(read((await damaged(0, 0)).fill(0xff, timestamp)), { type: 'CORRUPT_RECORDS' });
  await assert.rejects(read(await damaged(record, 0, GZIP)), corrupt('incorrect header check'));
});

test('what comes before a record batch that makes no sense is read first', async () => {
  const bytes = Buffer.concat([await encode({ firstOffset: 2, records: three }), await damaged(8, 0xff)]);
  const { records, next } = await read(bytes, 2);
  assert.deepEqual({ offsets: records.map(({ offset }) => offset), next }, { offsets: [2, 3, 4], next: 5 });
  await assert.rejects(read(bytes.subarray(-(await damaged(8, 0xff)).length), next), {
    type: 'CORRUPT_RECORDS',
  });
});

test('a compression other than gzip is refused, in the words of kafkajs', async () => {
  for (const codec of [2, 3, 4]) {
    const bytes = await damaged(22, codec);
    const { name, message } = await readByKafkajs(bytes).catch((error: Error) => error);
    assert.equal(name, 'KafkaJSNotImplemented');
    await assert.rejects(fetched(bytes), { name, message });
  }
});

test('300,000 records in a compressed batch are read in the heap and the memory of a container', async () => {
  const bytes = await encodeMany(300_000, () => value);
  assert.ok(bytes.length < 1_000_000, `${bytes.length} bytes`);
  const directory = mkdtempSync(join(tmpdir(), 'records-'));
  try {
    const file = join(directory, 'batch');
    writeFileSync(file, bytes);
    // Compiled here: with the compiler in it, the child's memory would not be the reader's.
    const { transpileModule } = require('typescript') as typeof import('typescript');
    const source = readFileSync(join(__dirname, '../../lib/client/records.ts'), 'utf8');
    const { outputText } = transpileModule(source, { compilerOptions: { module: 1, target: 10 } });
    const program = `${outputText}
      const data = { partition: 0, highWatermark: '300000', messages: require('node:fs').readFileSync(process.argv[2]) };
      const read = { count: 0, bytes: 0, last: -1, peakMB: 0 };
      for (const { offset, value } of new FetchedBatch('topic', '0', data).records()) {
        if (offset === read.last + 1) read.count++;
        if (offset % 10_000 === 0) read.peakMB = Math.max(read.peakMB, process.memoryUsage.rss() / 2 ** 20);
        read.bytes += value.length;
        read.last = offset;
      }
      console.log(JSON.stringify(read));`;
    const flags = ['--max-old-space-size=64', '--max-semi-space-size=4'];
    const child = spawnSync(process.execPath, [...flags, '-', file], { input: program, encoding: 'utf8' });
    assert.equal(child.status, 0, child.stderr);
    const { peakMB, ...rest } = JSON.parse(child.stdout);
    assert.deepEqual(rest, { count: 300_000, bytes: 300_000 * value.length, last: 299_999 });
    assert.ok(peakMB < 110, `peak of ${peakMB} MB`);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

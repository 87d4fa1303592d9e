import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FetchedRecord, FetchedRecords } from '../../lib/client/records';
import fixtures from '../fixtures/records.json';
import { COMPRESSIONS } from '../support/codecs';
import { randomNumbers } from '../support/random';
import {
  type BatchData,
  compressed,
  encode,
  encodeMarker,
  GZIP,
  LOG_APPEND_TIME,
  type RecordData,
  seal,
  TRANSACTIONAL,
} from '../support/records';

const decodeByKafkajs = require('kafkajs/src/protocol/requests/fetch/v4/decodeMessages');
const Batch = require('kafkajs/src/consumer/batch');
const Decoder = require('kafkajs/src/protocol/decoder');

interface Transaction {
  producerId: number;
  firstOffset: number;
}

interface Read {
  records: FetchedRecord[];
  next: number;
}

function read(records: Buffer, from = 0, aborted: Transaction[] = []): Read {
  const fetched = new FetchedRecords(from, { partition: 0, records, aborted });
  return { records: [...fetched.records()], next: fetched.next };
}

/** What kafkajs makes of them. */
async function readByKafkajs(bytes: Buffer, from = 0, aborted: Transaction[] = []) {
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length);
  const messages = await decodeByKafkajs(new Decoder(Buffer.concat([size, bytes])));
  const abortedTransactions = aborted.map(({ producerId, firstOffset }) => ({
    producerId: String(producerId),
    firstOffset: String(firstOffset),
  }));
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

interface LogBatch {
  first: number;
  last: number;
  bytes: Buffer;
  /** The same not compressed. */
  plain: Buffer;
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

  const add = (first: number, last: number, plain: Buffer, bytes = plain) => {
    log.push({ first, last, bytes, plain });
    offset = last + 1 + oneOf(0, 0, 0, upTo(100));
  };
  const end = async (producerId: number) => {
    const type = oneOf<'abort' | 'commit'>('abort', 'commit');
    const firstOffset = open.get(producerId) as number;
    if (type === 'abort') aborted.push({ producerId, firstOffset, end: offset });
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
      attributes: (isTransactional ? TRANSACTIONAL : 0) | oneOf(0, 0, LOG_APPEND_TIME),
      records,
    };
    const plain = await encode(batch);
    const compression = oneOf(undefined, ...COMPRESSIONS);
    const bytes = compression && compressed(plain, compression);
    add(offset, offset + (batch.lastOffsetDelta as number), plain, bytes);
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
    const named = aborted.filter((one) => one.end >= from && one.firstOffset < end);

    // kafkajs is right about aborted transactions where it reads from their starts on, and knows of them in that order.
    const whole = Buffer.concat(log.slice(0, cut).map((batch) => batch.plain));
    const sorted = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
    const expected = (await readByKafkajs(whole, 0, sorted)).filter(
      ({ offset }: FetchedRecord) => offset >= from,
    );
    try {
      const actual = read(Buffer.concat(bytes), from, named);
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

test('messages in the formats of before Kafka 0.11 are refused aloud', () => {
  const MessageSet = require('kafkajs/src/protocol/messageSet');
  for (const messageVersion of [0, 1]) {
    const entries = [{ compression: 0, timestamp: 1000, key: 'key', value: 'value' }];
    const { buffer } = MessageSet({ messageVersion, compression: 0, entries });
    buffer.writeBigInt64BE(5n, 0);
    assert.throws(() => read(buffer, 5), {
      type: 'UNSUPPORTED_FOR_MESSAGE_FORMAT',
      message: `Partition 0 can't be read at offset 5: it is in message format ${messageVersion}, of before Kafka 0.11`,
    });
  }
});

test('a record batch without records moves the position', async () => {
  const bytes = await encode({ firstOffset: 5, lastOffsetDelta: 6 });
  assert.deepEqual(read(bytes, 5), { records: [], next: 12 });
});

test('a record batch of control records only gives none, and moves the position', async () => {
  assert.deepEqual(read(await encodeMarker(9, 7, 'commit'), 9), { records: [], next: 10 });
});

test('aborted records are left out, and move the position', async () => {
  const data = await encode({ firstOffset: 0, producerId: 7, attributes: TRANSACTIONAL, records: three });
  const bytes = Buffer.concat([data, await encodeMarker(3, 7, 'abort')]);
  assert.deepEqual(read(bytes, 0, [{ producerId: 7, firstOffset: 0 }]), { records: [], next: 4 });
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
    { producerId: 8, firstOffset: 3 },
    { producerId: 7, firstOffset: 0 },
  ];
  assert.deepEqual(offsets(read(bytes, 0, aborted)), [6, 8, 9, 10, 13, 14, 15]);
});

test('a lone record batch that is cut off moves nothing', async () => {
  const whole = await encode({ firstOffset: 5, records: three });
  for (let size = 0; size < whole.length; size++)
    assert.deepEqual(read(whole.subarray(0, size), 6), { records: [], next: 6 }, `${size} bytes`);
  assert.deepEqual(offsets(read(whole, 6)), [6, 7]);
});

const reading = (bytes: Buffer) => () => read(bytes);

/** The batch of three records, its byte at the position replaced, and the checksum right all the same. */
async function odd(at: number, byte: number, attributes = 0) {
  const bytes = await encode({ firstOffset: 5, attributes, records: three });
  bytes[at] = byte;
  return seal(bytes);
}

const corrupt = (what: string, where = 'offset 5') => ({
  type: 'CORRUPT_RECORDS',
  message: `Partition 0 can't be read at ${where}: ${what}`,
});
const CHANGED = 'its checksum does not fit: a byte has changed since it was written';

test('a record batch in which any byte has changed is an error, and gives no record', async () => {
  for (const attributes of [0, GZIP]) {
    const bytes = await encode({ firstOffset: 5, attributes, records: three });
    // What stands before the checksum, it does not cover: offset and length, and who led the partition.
    for (let at = 17; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ 0x10;
      assert.throws(reading(changed), corrupt(CHANGED), `byte ${at}`);
    }
  }
});

test('a record batch that makes no sense is an error of one line', async () => {
  const at = { length: 8, format: 16, lastOffsetDelta: 23, count: 57, record: 61, key: 65, timestamp: 63 };
  const records = 'offsets 5-7';
  assert.throws(reading(await odd(at.length + 3, 48)), corrupt('a record batch of 60 bytes'));
  assert.throws(reading(await odd(at.length, 0xff)), { type: 'CORRUPT_RECORDS' });
  assert.throws(reading(await odd(at.format, 3)), corrupt('there is no message format 3'));
  assert.throws(reading(await odd(at.lastOffsetDelta, 0xff)), { type: 'CORRUPT_RECORDS' });
  assert.throws(
    reading(await odd(at.count, 0xff)),
    corrupt('a record batch of -16777213 records, up to offset 7'),
  );
  // More records than there are: the fourth begins where the batch ends.
  assert.throws(reading(await odd(at.count + 3, 4)), { type: 'CORRUPT_RECORDS' });
  assert.throws(reading(await odd(at.record, 1)), corrupt('a record of -1 bytes', records));
  assert.throws(reading(await odd(at.record, 0xff)), { type: 'CORRUPT_RECORDS' });
  assert.throws(reading(await odd(at.key, 3)), corrupt('a key or value of -2 bytes', records));
  assert.throws(reading(await odd(at.key, 120)), corrupt('a key or value of 60 bytes', records));
  assert.throws(reading(seal((await odd(0, 0)).fill(0xff, at.timestamp))), { type: 'CORRUPT_RECORDS' });
  assert.throws(
    reading(await odd(at.record, 0, GZIP)),
    corrupt('what is in it is no valid gzip (zlib: incorrect header check)', records),
  );
  assert.throws(reading(await odd(22, 5)), {
    type: 'UNSUPPORTED_COMPRESSION_TYPE',
    message: "Partition 0 can't be read at offsets 5-7: there is no codec 5",
  });
});

test('what comes before a record batch that makes no sense is read first', async () => {
  const bytes = Buffer.concat([await encode({ firstOffset: 2, records: three }), await odd(8, 0xff)]);
  const { records, next } = read(bytes, 2);
  assert.deepEqual({ offsets: records.map(({ offset }) => offset), next }, { offsets: [2, 3, 4], next: 5 });
  const rest = bytes.subarray(-(await odd(8, 0xff)).length);
  assert.throws(() => read(rest, next), { type: 'CORRUPT_RECORDS' });
});

for (const { by, codec, batches } of fixtures.sets)
  test(`by ${by}, ${codec}: records are read as they were written`, () => {
    const { records, next } = read(Buffer.from(batches, 'base64'));
    assert.equal(next, 100);
    for (const [n, { offset, timestamp, key, value }] of records.entries()) {
      assert.deepEqual([offset, timestamp], [n, 1_767_322_984_000 + n]);
      assert.equal(key?.toString(), n === 1 ? 'key' : undefined);
      assert.equal(JSON.parse(String(value)).n, n);
    }
    assert.equal(records.length, 100);
  });

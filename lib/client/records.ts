import { gunzipSync } from 'node:zlib';
import type { Batch } from 'kafkajs';

/**
 * A record as it is in the topic, without its headers. Its key and value are views of what was fetched, or of its
 * inflated record batch, and keep that in memory.
 */
export interface FetchedRecord {
  /** Below 2^53. */
  offset: number;
  /** In ms since 1970, below 2^53; undefined where it has none. */
  timestamp: number | undefined;
  key: Buffer | null;
  value: Buffer | null;
}

/**
 * Mends how kafkajs decodes what a fetch brings. Called before kafkajs is loaded.
 * - Record batches without records leave it at the same offset for good, and it asks again and again
 *   (https://github.com/tulios/kafkajs/issues/562, https://github.com/tulios/kafkajs/issues/1072). Over those with
 *   control records or aborted ones only it goes without a word, so nobody commits what comes after them. Now every
 *   complete record batch reaches the handler, which learns the offset to go on at.
 * - Each record becomes a dozen objects before the first is handled: 150,000 small ones, in a record batch of under
 *   1 MB compressed, are more than a heap of 64 MB holds. Now they are read one by one, as they are handled.
 * - It takes the aborted transactions for sorted by their starts, as which the broker does not send them: records of
 *   interleaved ones pass as valid. Now they are sorted.
 *
 * @throws where kafkajs's files do not hold what is replaced here
 */
export function mendRecords(): void {
  replace('kafkajs/src/protocol/requests/fetch/v4/decodeMessages', decodeMessages, 'decodeMessages');
  replace('kafkajs/src/consumer/batch', FetchedBatch, 'Batch');
}

function replace(path: string, replacement: unknown, name: string): void {
  if (require(path).name !== name) throw new Error(`${path} does not export ${name}: is this kafkajs 2.2.4?`);
  (require.cache[require.resolve(path)] as NodeJS.Module).exports = replacement;
}

/** Takes a partition's record batches out of the response as they are. Messages of before Kafka 0.11 it decodes. */
async function decodeMessages(decoder: Decoder): Promise<Buffer | OldMessage[]> {
  const size = decoder.readInt32();
  if (size <= 0 || !decoder.canReadBytes(size)) return [];
  const set = decoder.slice(size);
  decoder.forward(size);
  const isOld = set.buffer.length > MAGIC_AT && set.buffer.readInt8(MAGIC_AT) < MAGIC;
  return isOld ? require('kafkajs/src/protocol/messageSet/decoder')(set, size) : set.buffer;
}

/** What one fetch has brought of a partition. Takes the place of kafkajs's Batch. */
export class FetchedBatch implements Batch {
  readonly partition: number;
  readonly highWatermark: string;
  /** The offset to go on at: the one after the last complete record batch, whatever that holds. */
  readonly next: number;
  /** To kafkajs there are none: what is done, and how far it is, is up to the handler. */
  readonly messages = [];
  /** Complete record batches, one after the other. */
  private readonly set: Buffer;
  private readonly oldMessages: OldMessage[];
  private readonly aborted: { producerId: string; firstOffset: string }[];

  /** @throws a compression that is not implemented, or a record batch that makes no sense, and nothing before it */
  constructor(
    readonly topic: string,
    readonly fetchedOffset: string,
    { partition, highWatermark, abortedTransactions, messages }: PartitionData,
  ) {
    this.partition = partition;
    this.highWatermark = highWatermark;
    this.aborted = abortedTransactions ?? [];
    this.oldMessages = Buffer.isBuffer(messages) ? [] : messages;
    let last = Number(this.oldMessages.at(-1)?.offset ?? -1);
    const set = Buffer.isBuffer(messages) ? messages : Buffer.alloc(0);
    let end = 0;
    while (set.length - end >= HEADER && set.readInt8(end + MAGIC_AT) === MAGIC) {
      const batch = readHeader(set, end);
      const problem = findProblem(this.where, batch);
      // What comes before it is handled first: the next fetch begins here.
      if (problem && end > 0) break;
      if (problem) throw problem;
      // The last one may be cut off: the next fetch brings it.
      if (batch.end > set.length) break;
      end = batch.end;
      last = batch.lastOffset;
    }
    this.set = set.subarray(0, end);
    this.next = Math.max(last + 1, Number(fetchedOffset));
  }

  /**
   * Reads the records from the fetched offset on, as they are asked for: without control records, and without those of
   * aborted transactions.
   *
   * @throws at the first record that makes no sense
   */
  *records(): Generator<FetchedRecord, void, undefined> {
    const from = Number(this.fetchedOffset);
    for (const { offset, timestamp = '-1', key, value } of this.oldMessages)
      if (Number(offset) >= from) yield toRecord(Number(offset), Number(timestamp), key, value);
    const aborted = this.aborted
      .map(({ producerId, firstOffset }) => ({ producerId: Number(producerId), first: Number(firstOffset) }))
      .sort((a, b) => b.first - a.first);
    const aborting = new Set<number>();
    const reader = new RecordReader(this.set, this.where);
    for (let at = 0; at < this.set.length; ) {
      const batch = readHeader(this.set, at);
      at = batch.end;
      for (let next = aborted.at(-1); next && next.first <= batch.lastOffset; next = aborted.at(-1)) {
        aborting.add(next.producerId);
        aborted.pop();
      }
      const isAborted = batch.attributes & TRANSACTIONAL && aborting.has(batch.producerId);
      if (batch.attributes & CONTROL) {
        reader.open(batch);
        if (batch.count > 0 && reader.read().key?.equals(ABORT_MARKER)) aborting.delete(batch.producerId);
      } else if (!isAborted && batch.lastOffset >= from) {
        reader.open(batch);
        for (let left = batch.count; left > 0; left--) {
          const record = reader.read();
          if (record.offset >= from) yield record;
        }
      }
    }
  }

  private get where(): string {
    return `${this.topic}-${this.partition}`;
  }

  /** Whether the next fetch would begin where this one did. */
  isEmpty(): boolean {
    return this.next === Number(this.fetchedOffset);
  }

  /** Of such a batch kafkajs would not tell the handler. */
  isEmptyDueToFiltering(): boolean {
    return false;
  }

  firstOffset(): string {
    return this.fetchedOffset;
  }

  lastOffset(): string {
    return String(this.next - 1);
  }

  offsetLag(): string {
    return String(Number(this.highWatermark) - this.next);
  }

  offsetLagLow(): string {
    return String(Number(this.highWatermark) - 1 - Number(this.fetchedOffset));
  }
}

/** Reads the records of a record batch, then those of the next. */
class RecordReader {
  private bytes: Buffer;
  private at = 0;
  private end = 0;
  private baseOffset = 0;
  private baseTimestamp = 0;
  private appendTime: number | undefined;

  /** @param where the partition that the record batches are of, for errors */
  constructor(
    private readonly set: Buffer,
    private readonly where: string,
  ) {
    this.bytes = set;
  }

  /** Goes on to this record batch. Lets go of the one before first: no two of them are inflated at a time. */
  open(batch: RecordBatch): void {
    this.baseOffset = batch.baseOffset;
    this.baseTimestamp = batch.baseTimestamp;
    this.appendTime = batch.attributes & LOG_APPEND_TIME ? batch.maxTimestamp : undefined;
    this.bytes = this.set;
    this.at = batch.records;
    this.end = batch.end;
    if ((batch.attributes & CODEC) === GZIP && batch.count > 0) {
      this.bytes = this.inflate(this.set.subarray(this.at, this.end));
      this.at = 0;
      this.end = this.bytes.length;
    }
  }

  /** The next record. Whether there is one is for the caller to know. */
  read(): FetchedRecord {
    const length = this.readVarint();
    const end = this.at + length;
    if (length < 0 || end > this.end) throw this.corrupt(`a record of ${length} bytes`);
    this.at++; // The record's attributes: none is in use.
    const timestamp = this.baseTimestamp + this.readVarint();
    const offset = this.baseOffset + this.readVarint();
    const key = this.readBytes(end);
    const value = this.readBytes(end);
    this.at = end;
    return toRecord(offset, this.appendTime ?? timestamp, key, value);
  }

  private readBytes(end: number): Buffer | null {
    const length = this.readVarint();
    if (length === -1) return null;
    const start = this.at;
    this.at += length;
    if (length < 0 || this.at > end) throw this.corrupt(`a key or value of ${length} bytes`);
    return this.bytes.subarray(start, this.at);
  }

  /** Reads a number of 1 to 10 bytes: 7 bits in each, the lowest ones first, and the lowest of all is the sign. */
  private readVarint(): number {
    const byte = this.bytes[this.at++] as number;
    return byte < 0x80 ? (byte >>> 1) ^ -(byte & 1) : this.readLongVarint(byte & 0x7f);
  }

  private readLongVarint(first: number): number {
    let bits = first;
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.bytes[this.at++] as number;
      bits |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (bits >>> 1) ^ -(bits & 1);
    }
    // Operators on bits end at 32 of them: from here on it is a sum.
    let half = bits >>> 1;
    for (let unit = 2 ** 27; unit < 2 ** 64; unit *= 2 ** 7) {
      const byte = this.bytes[this.at++] as number;
      half += (byte & 0x7f) * unit;
      if (byte < 0x80) return bits & 1 ? -half - 1 : half;
    }
    throw this.corrupt('a number of more than 10 bytes');
  }

  private inflate(compressed: Buffer): Buffer {
    // Gzip ends with the size of what is in it, and makes nothing smaller than by a factor of 1032. With room for one
    // byte more, all of it comes in one piece: pieces would be there twice while they are joined.
    const size = compressed.length < 4 ? 0 : compressed.readUInt32LE(compressed.length - 4);
    const chunkSize = Math.max(64, Math.min(size + 1, compressed.length * 1032));
    try {
      return gunzipSync(compressed, { chunkSize });
    } catch (error) {
      throw this.corrupt((error as Error).message);
    }
  }

  private corrupt(what: string): Error {
    return corrupt(this.where, this.baseOffset, what);
  }
}

function toRecord(offset: number, time: number, key: Buffer | null, value: Buffer | null): FetchedRecord {
  return { offset, timestamp: time === -1 ? undefined : time, key, value };
}

/** See https://kafka.apache.org/documentation/#recordbatch. */
const MAGIC_AT = 16;
const MAGIC = 2;
const HEADER = 61;
const CODEC = 0x07;
const GZIP = 1;
const CODECS = ['none', 'gzip', 'Snappy', 'LZ4', 'ZSTD'];
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const ABORT_MARKER = Buffer.from([0, 0, 0, 0]);

type RecordBatch = ReturnType<typeof readHeader>;

function readHeader(set: Buffer, at: number) {
  const baseOffset = readInt64(set, at);
  return {
    baseOffset,
    end: at + 12 + set.readInt32BE(at + 8),
    attributes: set.readInt16BE(at + 21),
    lastOffset: baseOffset + set.readInt32BE(at + 23),
    baseTimestamp: readInt64(set, at + 27),
    maxTimestamp: readInt64(set, at + 35),
    producerId: readInt64(set, at + 43),
    count: set.readInt32BE(at + 57),
    records: at + HEADER,
  };
}

function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

function findProblem(where: string, batch: RecordBatch): Error | undefined {
  const { baseOffset, records, end, lastOffset, count, attributes } = batch;
  if (end < records || lastOffset < baseOffset || count < 0) {
    const what = `${end - records} bytes of ${count} records, up to offset ${lastOffset}`;
    return corrupt(where, baseOffset, what);
  }
  const codec = CODECS[attributes & CODEC];
  if (codec === 'none' || codec === 'gzip') return undefined;
  const { KafkaJSNotImplemented } = require('kafkajs/src/errors');
  return new KafkaJSNotImplemented(`${codec} compression not implemented`);
}

/** @returns an error of Kafka's type for it, after which kafkajs does not try again. */
function corrupt(where: string, offset: number, what: string): Error {
  const { KafkaJSNonRetriableError } = require('kafkajs/src/errors');
  const message = `The record batch at offset ${offset} of ${where} is corrupt: ${what}`;
  return Object.assign(new KafkaJSNonRetriableError(message), { type: 'CORRUPT_RECORDS' });
}

interface Decoder {
  buffer: Buffer;
  readInt32(): number;
  canReadBytes(size: number): boolean;
  slice(size: number): Decoder;
  forward(size: number): void;
}

interface PartitionData {
  partition: number;
  highWatermark: string;
  abortedTransactions?: { producerId: string; firstOffset: string }[];
  messages: Buffer | OldMessage[];
}

/** As of before Kafka 0.11, decoded by kafkajs. */
interface OldMessage {
  offset: string;
  timestamp?: string;
  key: Buffer | null;
  value: Buffer | null;
}

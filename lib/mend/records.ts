import { gunzipSync } from 'node:zlib';
import type { Batch } from 'kafkajs';

/** A record as it is in the topic. Key and value are views of what was fetched, or of its inflated record batch. */
export interface FetchedRecord {
  /** Below 2^53. */
  offset: number;
  /** In ms since 1970, below 2^53; undefined where it has none. */
  timestamp: number | undefined;
  key: Buffer | null;
  value: Buffer | null;
}

/**
 * Mends how kafkajs decodes what a fetch brings:
 * - A fetch of record batches without records leaves it at the same offset, for good: it asks again and again
 *   (https://github.com/tulios/kafkajs/issues/562, https://github.com/tulios/kafkajs/issues/1072). Control records and
 *   aborted ones it passes without a word, so that nobody commits the offset after them. Now each fetch that has a
 *   complete record batch comes to the handler of batches, with the offset to go on at.
 * - A record batch of 150,000 small records, under 1 MB compressed, is a dozen objects for each before the first is
 *   handled: more than a heap of 64 MB holds. Now records are read one by one, as they are handled.
 * - Where transactions are interleaved, records of aborted ones may pass as valid: it takes the list of aborted
 *   transactions, which is in the order of their ends, to be in that of their starts.
 *
 * Codecs other than gzip are refused, as kafkajs does without a codec of its user's. Headers are not read.
 *
 * @throws where kafkajs's files are not the ones expected, or have been loaded already
 */
export function mendRecords(): void {
  if (require.cache[require.resolve('kafkajs/src/consumer/consumerGroup')])
    throw new Error('kafkajs was loaded before lib/mend: import it from there only');
  replace('kafkajs/src/protocol/requests/fetch/v4/decodeMessages', 'decodeMessages', decodeMessages);
  replace('kafkajs/src/consumer/batch', 'Batch', FetchedBatch);
}

function replace(path: string, name: string, replacement: unknown): void {
  if (require(path)?.name !== name)
    throw new Error(`${path} exports no ${name}: this mending is for another version of kafkajs`);
  (require.cache[require.resolve(path)] as NodeJS.Module).exports = replacement;
}

/** A record batch's fields, by position: https://kafka.apache.org/documentation/#recordbatch. */
const LENGTH = 8;
const MAGIC = 16;
const ATTRIBUTES = 21;
const LAST_OFFSET_DELTA = 23;
const BASE_TIMESTAMP = 27;
const MAX_TIMESTAMP = 35;
const PRODUCER_ID = 43;
const COUNT = 57;
const RECORDS = 61;

/** What the length does not count: the base offset, and the length itself. */
const BEFORE_LENGTH = 12;

/** Attributes, by bits. */
const CODEC = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

const CODECS = ['none', 'gzip', 'Snappy', 'LZ4', 'ZSTD'];
const GZIP = 1;
/** Deflate makes nothing smaller than by this factor. */
const MOST_DEFLATED = 1032;

/** The key of a control record that ends a transaction by aborting it. */
const ABORT = Buffer.alloc(4);

/** Takes the partition's records out of a response as they are; those in the format before Kafka 0.11, decoded. */
async function decodeMessages(decoder: Decoder): Promise<Buffer | OldMessage[]> {
  const size = decoder.readInt32();
  if (size <= 0 || !decoder.canReadBytes(size)) return [];
  const set = decoder.slice(size);
  decoder.forward(size);
  const isOld = set.buffer.length > MAGIC && set.buffer.readInt8(MAGIC) < 2;
  return isOld ? require('kafkajs/src/protocol/messageSet/decoder')(set, size) : set.buffer;
}

/** What one fetch has brought of a partition: in place of kafkajs's Batch. */
export class FetchedBatch implements Batch {
  readonly partition: number;
  readonly highWatermark: string;
  /** The offset to go on at: the one after the last complete record batch, whatever that holds. */
  readonly next: number;
  /** For kafkajs, which so knows of no message to care for. */
  readonly messages = [];
  /** Complete record batches as they came, or records of the old format. */
  private readonly contents: Buffer | FetchedRecord[];
  private readonly aborted: AbortedTransaction[];

  /** @throws KafkaJSNotImplemented: a codec other than gzip; CORRUPT_MESSAGE: a header that makes no sense */
  constructor(
    readonly topic: string,
    readonly fetchedOffset: string,
    { partition, highWatermark, abortedTransactions = [], messages }: PartitionData,
  ) {
    this.partition = partition;
    this.highWatermark = highWatermark;
    this.aborted = abortedTransactions;
    const { contents, next } = Buffer.isBuffer(messages) ? complete(messages, partition) : old(messages);
    this.contents = contents;
    this.next = Math.max(next, Number(fetchedOffset));
  }

  /**
   * The records from the fetched offset on, without control records and those of aborted transactions. They are read
   * as they are asked for, in one pass.
   *
   * @throws CORRUPT_MESSAGE, once it gets there: a record that is no record
   */
  records(): Iterable<FetchedRecord> {
    const { contents, partition, aborted } = this;
    const from = Number(this.fetchedOffset);
    return Buffer.isBuffer(contents)
      ? new RecordReader(contents, from, partition, aborted)
      : contents.filter(({ offset }) => offset >= from);
  }

  /** Whether the next fetch would begin where this one did. */
  isEmpty(): boolean {
    return this.next === Number(this.fetchedOffset);
  }

  /** Never: kafkajs would move on without the handler. */
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

/** The record batches that came completely. Of the last one, a fetch often brings the beginning only. */
function complete(set: Buffer, partition: number): { contents: Buffer; next: number } {
  let end = 0;
  let next = 0;
  while (set.length - end >= RECORDS && set.readInt8(end + MAGIC) === 2) {
    const offset = int64(set, end);
    const length = set.readInt32BE(end + LENGTH);
    const delta = set.readInt32BE(end + LAST_OFFSET_DELTA);
    const codec = set.readInt16BE(end + ATTRIBUTES) & CODEC;
    const isCorrupt = length < RECORDS - BEFORE_LENGTH || delta < 0;
    // What comes before this record batch is handled first: the next fetch begins here.
    if (end > 0 && (isCorrupt || codec > GZIP)) break;
    if (isCorrupt) throw corrupt(offset, partition, `length ${length}, last offset delta ${delta}`);
    if (codec > GZIP)
      throw notImplemented(`${CODECS[codec] ?? `Codec ${codec}`} compression not implemented`);
    if (set.length - end < BEFORE_LENGTH + length) break;
    end += BEFORE_LENGTH + length;
    next = offset + delta + 1;
  }
  return { contents: set.subarray(0, end), next };
}

function old(messages: OldMessage[]): { contents: FetchedRecord[]; next: number } {
  const contents = messages.map(({ offset, timestamp = '-1', key, value }) => ({
    offset: Number(offset),
    timestamp: timestamp === '-1' ? undefined : Number(timestamp),
    key,
    value,
  }));
  return { contents, next: (contents.at(-1)?.offset ?? -1) + 1 };
}

/** Reads one record after the other. Keeps of a record batch what its next record takes, and no more. */
class RecordReader implements IterableIterator<FetchedRecord> {
  /** Where the next record batch begins. */
  private batchAt = 0;
  private readonly aborted: { producerId: number; firstOffset: number }[];
  private readonly aborting = new Set<number>();

  /** The records of this record batch, inflated: the next one is at `at`, and `left` are to come. */
  private bytes: Buffer;
  private at = 0;
  private end = 0;
  private left = 0;
  private baseOffset = 0;
  private baseTimestamp = 0;
  private appendTime: number | undefined;

  /** @param set complete record batches */
  constructor(
    private readonly set: Buffer,
    private readonly from: number,
    private readonly partition: number,
    aborted: AbortedTransaction[],
  ) {
    this.bytes = set;
    this.aborted = aborted
      .map(({ producerId, firstOffset }) => ({
        producerId: Number(producerId),
        firstOffset: Number(firstOffset),
      }))
      .sort((a, b) => a.firstOffset - b.firstOffset);
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<FetchedRecord> {
    for (;;) {
      while (this.left === 0) if (!this.nextBatch()) return { done: true, value: undefined };
      const record = this.nextRecord();
      if (record.offset >= this.from) return { done: false, value: record };
    }
  }

  /** Goes on to the next record batch, of which `left` may be 0: nothing in it is to be read. */
  private nextBatch(): boolean {
    const { set, batchAt, aborted, aborting } = this;
    // An inflated record batch takes memory: it is not kept until the next one is.
    this.bytes = set;
    if (batchAt === set.length) return false;
    this.batchAt += BEFORE_LENGTH + set.readInt32BE(batchAt + LENGTH);
    this.baseOffset = int64(set, batchAt);
    const lastOffset = this.baseOffset + set.readInt32BE(batchAt + LAST_OFFSET_DELTA);
    const producerId = int64(set, batchAt + PRODUCER_ID);
    const attributes = set.readInt16BE(batchAt + ATTRIBUTES);
    for (let next = aborted[0]; next && next.firstOffset <= lastOffset; next = aborted[0]) {
      aborting.add(next.producerId);
      aborted.shift();
    }
    if (attributes & CONTROL) {
      this.open(batchAt, attributes);
      if (this.left > 0 && this.nextRecord().key?.equals(ABORT)) aborting.delete(producerId);
      this.left = 0;
    } else if (lastOffset >= this.from && !(attributes & TRANSACTIONAL && aborting.has(producerId))) {
      this.open(batchAt, attributes);
    }
    return true;
  }

  private open(batchAt: number, attributes: number): void {
    const { set } = this;
    this.left = set.readInt32BE(batchAt + COUNT);
    if (this.left < 0) throw this.corrupt(`${this.left} records`);
    this.baseTimestamp = int64(set, batchAt + BASE_TIMESTAMP);
    this.appendTime = attributes & LOG_APPEND_TIME ? int64(set, batchAt + MAX_TIMESTAMP) : undefined;
    this.at = batchAt + RECORDS;
    this.end = this.batchAt;
    if (this.left > 0 && (attributes & CODEC) === GZIP) {
      this.bytes = this.inflate(set.subarray(this.at, this.end));
      this.at = 0;
      this.end = this.bytes.length;
    }
  }

  private nextRecord(): FetchedRecord {
    this.left--;
    const length = this.varint();
    const end = this.at + length;
    if (length < 0 || end > this.end) throw this.corrupt(`a record of ${length} bytes`);
    this.at++; // The record's attributes: none is in use.
    const timestamp = this.baseTimestamp + this.varint();
    const offset = this.baseOffset + this.varint();
    const key = this.field(end);
    const value = this.field(end);
    this.at = end;
    const time = this.appendTime ?? timestamp;
    return { offset, timestamp: time === -1 ? undefined : time, key, value };
  }

  private field(end: number): Buffer | null {
    const length = this.varint();
    if (length === -1) return null;
    const start = this.at;
    this.at += length;
    if (length < 0 || this.at > end) throw this.corrupt(`a key or value of ${length} bytes`);
    return this.bytes.subarray(start, this.at);
  }

  /** Reads a number of 1 to 10 bytes: 7 bits in each, the lowest ones first, with the sign in the last of all. */
  private varint(): number {
    const byte = this.bytes[this.at++] as number;
    return byte < 0x80 ? (byte >>> 1) ^ -(byte & 1) : this.longVarint(byte);
  }

  private longVarint(first: number): number {
    let low = first & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.bytes[this.at++] as number;
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
    }
    // Beyond 28 bits as a sum: operators on bits know 32 of them only.
    let half = low >>> 1;
    for (let unit = 2 ** 27; unit < 2 ** 64; unit *= 2 ** 7) {
      const byte = this.bytes[this.at++] as number;
      half += (byte & 0x7f) * unit;
      if (byte < 0x80) return low & 1 ? -half - 1 : half;
    }
    throw this.corrupt('a number of more than 10 bytes');
  }

  private inflate(compressed: Buffer): Buffer {
    // Gzip ends with the size of what it holds. In one chunk of this size, the output is never there twice.
    const size = compressed.length < 4 ? 0 : compressed.readUInt32LE(compressed.length - 4);
    const chunkSize = Math.max(64, Math.min(size + 1, compressed.length * MOST_DEFLATED));
    try {
      return gunzipSync(compressed, { chunkSize });
    } catch (error) {
      throw this.corrupt(`gzip: ${(error as Error).message}`);
    }
  }

  private corrupt(what: string): Error {
    return corrupt(this.baseOffset, this.partition, what);
  }
}

/** @returns an error that kafkajs does not try again after, of Kafka's type for it */
function corrupt(offset: number, partition: number, what: string): Error {
  const { KafkaJSNonRetriableError } = require('kafkajs/src/errors');
  const message = `The record batch at offset ${offset} (partition ${partition}) is corrupt: ${what}`;
  return Object.assign(new KafkaJSNonRetriableError(message), { type: 'CORRUPT_MESSAGE' });
}

function notImplemented(message: string): Error {
  const { KafkaJSNotImplemented } = require('kafkajs/src/errors');
  return new KafkaJSNotImplemented(message);
}

function int64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
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
  abortedTransactions?: AbortedTransaction[];
  /** As decodeMessages gives them. */
  messages: Buffer | OldMessage[];
}

interface AbortedTransaction {
  producerId: string;
  firstOffset: string;
}

interface OldMessage {
  offset: string;
  timestamp?: string;
  key: Buffer | null;
  value: Buffer | null;
}

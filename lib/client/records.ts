import { gunzipSync } from 'node:zlib';

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

/** Records that can't be read. What trying again can't mend. */
export class UnreadableRecords extends Error {
  /** @param type as Kafka names the error */
  constructor(
    readonly type: 'CORRUPT_RECORDS' | 'UNSUPPORTED_COMPRESSION_TYPE' | 'UNSUPPORTED_FOR_MESSAGE_FORMAT',
    readonly partition: number,
    readonly offset: number,
    what: string,
  ) {
    super(`Partition ${partition} can't be read at offset ${offset}: ${what}`);
  }
}

/** What one fetch has brought of a partition. */
export class FetchedRecords {
  readonly partition: number;
  /** The offset to go on at: the one after the last complete record batch, whatever that holds. */
  readonly next: number;
  /** Complete record batches, one after the other. */
  private readonly set: Buffer;
  private readonly aborted: Aborted[];

  /**
   * @param offset that was fetched
   * @param data.records record batches as they are in the answer to a fetch; the last one may be cut off
   * @param data.aborted the aborted transactions that reach into these, in any order
   * @throws UnreadableRecords where the first record batch makes no sense, or is of a kind that is not read; where it
   * is a later one, this ends before it, and the next fetch throws
   */
  constructor(
    readonly topic: string,
    readonly offset: number,
    { partition, records, aborted }: { partition: number; records: Buffer; aborted: Aborted[] },
  ) {
    this.partition = partition;
    this.aborted = aborted;
    let end = 0;
    let next = offset;
    while (records.length - end > MAGIC_AT) {
      const problem = findProblem(partition, records, end);
      // What comes before it is handled first: the next fetch begins here.
      if (problem && end > 0) break;
      if (problem) throw problem;
      // The last one may be cut off: the next fetch brings it.
      if (records.length - end < HEADER) break;
      const batch = readHeader(records, end);
      if (batch.end > records.length) break;
      end = batch.end;
      next = batch.lastOffset + 1;
    }
    this.set = records.subarray(0, end);
    this.next = Math.max(next, offset);
  }

  /** Whether the next fetch would begin where this one did. */
  get isEmpty(): boolean {
    return this.next === this.offset;
  }

  /**
   * Reads the records from the fetched offset on, as they are asked for: without control records, and without those of
   * aborted transactions.
   *
   * @throws UnreadableRecords at the first record that makes no sense
   */
  *records(): Generator<FetchedRecord, void, undefined> {
    // The broker sends them by their ends.
    const aborted = [...this.aborted].sort((a, b) => b.firstOffset - a.firstOffset);
    const aborting = new Set<number>();
    const reader = new RecordReader(this.set, this.partition);
    for (let at = 0; at < this.set.length; ) {
      const batch = readHeader(this.set, at);
      at = batch.end;
      for (let next = aborted.at(-1); next && next.firstOffset <= batch.lastOffset; next = aborted.at(-1)) {
        aborting.add(next.producerId);
        aborted.pop();
      }
      const isAborted = batch.attributes & TRANSACTIONAL && aborting.has(batch.producerId);
      if (batch.attributes & CONTROL) {
        reader.open(batch);
        if (batch.count > 0 && reader.read().key?.equals(ABORT_MARKER)) aborting.delete(batch.producerId);
      } else if (!isAborted && batch.lastOffset >= this.offset) {
        reader.open(batch);
        for (let left = batch.count; left > 0; left--) {
          const record = reader.read();
          if (record.offset >= this.offset) yield record;
        }
      }
    }
  }
}

/** An aborted transaction. */
interface Aborted {
  producerId: number;
  firstOffset: number;
}

/** Reads the records of a record batch, then those of the next. */
class RecordReader {
  private bytes: Buffer;
  private at = 0;
  private end = 0;
  private baseOffset = 0;
  private baseTimestamp = 0;
  private appendTime: number | undefined;

  /** @param partition that the record batches are of, for errors */
  constructor(
    private readonly set: Buffer,
    private readonly partition: number,
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

  private corrupt(what: string): UnreadableRecords {
    return new UnreadableRecords('CORRUPT_RECORDS', this.partition, this.baseOffset, what);
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

/** Of a record batch that may be cut off, but not before the byte that tells its format. */
function findProblem(partition: number, set: Buffer, at: number): UnreadableRecords | undefined {
  const unreadable = (type: UnreadableRecords['type'], what: string) =>
    new UnreadableRecords(type, partition, readInt64(set, at), what);
  const magic = set.readInt8(at + MAGIC_AT);
  if (magic === 0 || magic === 1)
    return unreadable(
      'UNSUPPORTED_FOR_MESSAGE_FORMAT',
      `it is in message format ${magic}, of before Kafka 0.11`,
    );
  if (magic !== MAGIC) return unreadable('CORRUPT_RECORDS', `there is no message format ${magic}`);
  if (set.length - at < HEADER) return undefined;
  const { records, end, baseOffset, lastOffset, count, attributes } = readHeader(set, at);
  if (end < records || lastOffset < baseOffset || count < 0)
    return unreadable(
      'CORRUPT_RECORDS',
      `${end - records} bytes of ${count} records, up to offset ${lastOffset}`,
    );
  const codec = CODECS[attributes & CODEC];
  if (codec === 'none' || codec === 'gzip') return undefined;
  return unreadable('UNSUPPORTED_COMPRESSION_TYPE', `it is compressed by ${codec}`);
}

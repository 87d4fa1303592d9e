import { inflate } from './codecs/inflate';
import { LARGEST, TooLarge } from './codecs/too_large';
import { NOT_COMPRESSED, offsets, type RecordBatch } from './record_batch';
import { UnreadableRecords } from './unreadable';

/**
 * A record as it is in the topic, without its headers. Its key and value are views of what was fetched, or of an
 * inflated piece of it, and keep that in memory.
 */
export interface FetchedRecord {
  /** Below 2^53. */
  offset: number;
  /** In ms since 1970, below 2^53; undefined where it has none. */
  timestamp: number | undefined;
  key: Buffer | null;
  value: Buffer | null;
}

/** A number takes 10 bytes at most. */
const VARINT = 10;

/** Reads the records of one record batch. Where it is compressed, a piece at a time is inflated, whatever its size. */
export class RecordReader {
  private bytes: Buffer;
  private at: number;
  private end: number;
  /** What comes after these bytes; undefined where they are all. */
  private readonly pieces: Generator<Buffer> | undefined;
  /** What is left of a piece. */
  private rest: Buffer | undefined;

  /** @param set that the record batch is in */
  constructor(
    private readonly partition: number,
    private readonly batch: RecordBatch,
    set: Buffer,
  ) {
    const { codec, records, end } = batch;
    const isCompressed = codec !== NOT_COMPRESSED;
    this.bytes = set;
    this.at = isCompressed ? end : records;
    this.end = end;
    this.pieces = isCompressed ? inflate(codec, set.subarray(records, end)) : undefined;
  }

  /**
   * The next record. Whether there is one is for the caller to know.
   *
   * @throws UnreadableRecords where it makes no sense, or is too large
   */
  read(): FetchedRecord {
    try {
      return this.readRecord();
    } catch (error) {
      const type = error instanceof TooLarge ? 'RECORD_TOO_LARGE' : 'CORRUPT_RECORDS';
      throw new UnreadableRecords(type, this.partition, offsets(this.batch), (error as Error).message);
    }
  }

  /** Gives its memory back. */
  close(): void {
    this.pieces?.return(undefined);
  }

  private readRecord(): FetchedRecord {
    if (this.pieces && this.end - this.at < VARINT) this.advance(this.pieces);
    const length = this.readVarint();
    if (this.pieces && length > this.end - this.at) this.gather(this.pieces, length);
    const end = this.at + length;
    if (length < 0 || end > this.end) throw new Error(`a record of ${length} bytes`);
    this.at++; // The record's attributes: none is in use.
    const { baseOffset, baseTimestamp, appendTime } = this.batch;
    const time = baseTimestamp + this.readVarint();
    const offset = baseOffset + this.readVarint();
    const key = this.readBytes(end);
    const value = this.readBytes(end);
    this.at = end;
    return { offset, timestamp: orNone(appendTime ?? time), key, value };
  }

  /** Goes on to the next piece, with what is left of this one before it. */
  private advance(pieces: Generator<Buffer>): void {
    while (this.end - this.at < VARINT) {
      const piece = this.rest ?? pieces.next().value;
      if (!piece) return;
      const left = this.bytes.subarray(this.at, this.end);
      this.hold(left.length === 0 ? piece : Buffer.concat([left, piece]));
      this.rest = undefined;
    }
  }

  /** Joins pieces to a record of this size. */
  private gather(pieces: Generator<Buffer>, size: number): void {
    if (size > LARGEST) throw new TooLarge(size, LARGEST);
    const joined = Buffer.allocUnsafe(size);
    let filled = this.bytes.copy(joined, 0, this.at, this.end);
    while (filled < size) {
      const piece = this.rest ?? pieces.next().value;
      if (!piece) throw new Error(`a record of ${size} bytes, of which ${filled} are there`);
      const copied = piece.copy(joined, filled);
      this.rest = copied < piece.length ? piece.subarray(copied) : undefined;
      filled += copied;
    }
    this.hold(joined);
  }

  private hold(bytes: Buffer): void {
    this.bytes = bytes;
    this.at = 0;
    this.end = bytes.length;
  }

  private readBytes(end: number): Buffer | null {
    const length = this.readVarint();
    if (length === -1) return null;
    const start = this.at;
    this.at += length;
    if (length < 0 || this.at > end) throw new Error(`a key or value of ${length} bytes`);
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
    throw new Error('a number of more than 10 bytes');
  }
}

function orNone(time: number): number | undefined {
  return time === -1 ? undefined : time;
}

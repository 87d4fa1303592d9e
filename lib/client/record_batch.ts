/** The header of a record batch: see https://kafka.apache.org/documentation/#recordbatch. */
import { crc32c } from '@node-rs/crc32';
import { isKnown } from './codecs/inflate';
import { UnreadableRecords } from './unreadable';

/** As far as the format is told. */
export const SHORTEST = 17;
const MAGIC = 2;
const HEADER = 61;
const CRC_AT = 17;
/** The checksum is of all from here on. */
const ATTRIBUTES_AT = 21;
const CODEC = 0x07;
export const NOT_COMPRESSED = 0;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

export interface RecordBatch {
  baseOffset: number;
  lastOffset: number;
  /** In ms since 1970: of each record, where the time is the broker's. */
  appendTime: number | undefined;
  /** Of records where it is the producer's: their own are relative to it. */
  baseTimestamp: number;
  producerId: number;
  isTransactional: boolean;
  /** It has no records but markers of a transaction. */
  isControl: boolean;
  codec: number;
  /** Of the records. */
  count: number;
  /** Where the records are in the set; `end` is where the next record batch begins. */
  records: number;
  end: number;
}

/**
 * @param set record batches one after the other, with at least SHORTEST bytes from `at` on
 * @returns undefined where the record batch is cut off
 * @throws UnreadableRecords where it is not as it was written, or of a kind that is not read
 */
export function readRecordBatch(partition: number, set: Buffer, at: number): RecordBatch | undefined {
  const baseOffset = readInt64(set, at);
  const unreadable = (type: UnreadableRecords['type'], what: string, offsets: number | string = baseOffset) =>
    new UnreadableRecords(type, partition, offsets, what);
  const magic = set.readInt8(at + SHORTEST - 1);
  if (magic === 0 || magic === 1)
    throw unreadable(
      'UNSUPPORTED_FOR_MESSAGE_FORMAT',
      `it is in message format ${magic}, of before Kafka 0.11`,
    );
  if (magic !== MAGIC) throw unreadable('CORRUPT_RECORDS', `there is no message format ${magic}`);
  if (set.length - at < HEADER) return undefined;

  const attributes = set.readInt16BE(at + ATTRIBUTES_AT);
  const batch: RecordBatch = {
    baseOffset,
    lastOffset: baseOffset + set.readInt32BE(at + 23),
    appendTime: attributes & LOG_APPEND_TIME ? readInt64(set, at + 35) : undefined,
    baseTimestamp: readInt64(set, at + 27),
    producerId: readInt64(set, at + 43),
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    codec: attributes & CODEC,
    count: set.readInt32BE(at + 57),
    records: at + HEADER,
    end: at + 12 + set.readInt32BE(at + 8),
  };
  const { lastOffset, count, records, end, codec } = batch;
  if (end < records) throw unreadable('CORRUPT_RECORDS', `a record batch of ${end - at} bytes`);
  if (end > set.length) return undefined;
  if (crc32c(set.subarray(at + ATTRIBUTES_AT, end)) !== set.readUInt32BE(at + CRC_AT))
    throw unreadable('CORRUPT_RECORDS', 'its checksum does not fit: a byte has changed since it was written');
  if (lastOffset < baseOffset || count < 0)
    throw unreadable('CORRUPT_RECORDS', `a record batch of ${count} records, up to offset ${lastOffset}`);
  if (codec !== NOT_COMPRESSED && !isKnown(codec))
    throw unreadable('UNSUPPORTED_COMPRESSION_TYPE', `there is no codec ${codec}`, offsets(batch));
  return batch;
}

/** The offsets of the record batch, as they are said. */
export function offsets({ baseOffset, lastOffset }: RecordBatch): number | string {
  return baseOffset === lastOffset ? baseOffset : `${baseOffset}-${lastOffset}`;
}

function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

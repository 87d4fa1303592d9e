/** Record batches as a broker sends them: by kafkajs's encoder, and what that can't express patched in. */

const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0');
const Record = require('kafkajs/src/protocol/recordBatch/record/v0');
const crc32C = require('kafkajs/src/protocol/recordBatch/crc32C');

export const LOG_APPEND_TIME = 0x08;
export const TRANSACTIONAL = 0x10;
export const CONTROL = 0x20;
export const GZIP = 1;
export const SNAPPY = 2;
export const LZ4 = 3;
export const ZSTANDARD = 4;

const RECORDS_AT = 61;

export interface RecordData {
  offsetDelta: number;
  timestampDelta?: number;
  key?: Buffer | null;
  value?: Buffer | null;
  headers?: Record<string, string | string[]>;
}

export interface BatchData {
  firstOffset: number;
  /** By default the last record's. */
  lastOffsetDelta?: number;
  firstTimestamp?: number;
  maxTimestamp?: number;
  producerId?: number;
  /** Bits: see above. */
  attributes?: number;
  records?: RecordData[];
  /** By a codec other than gzip. */
  compress?: { codec: number; compress: (bytes: Buffer) => Buffer };
}

export async function encode(batch: BatchData): Promise<Buffer> {
  const { attributes = 0, records = [] } = batch;
  const { buffer }: { buffer: Buffer } = await RecordBatch({
    lastOffsetDelta: records.at(-1)?.offsetDelta ?? 0,
    ...batch,
    compression: attributes & GZIP,
    records: records.map(Record),
  });
  buffer.writeInt16BE(attributes, 21);
  return seal(batch.compress ? compressed(buffer, batch.compress) : buffer);
}

/** The record batch with its records compressed. */
export function compressed(
  batch: Buffer,
  { codec, compress }: { codec: number; compress: (bytes: Buffer) => Buffer },
): Buffer {
  const bytes = Buffer.concat([batch.subarray(0, RECORDS_AT), compress(batch.subarray(RECORDS_AT))]);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt16BE(bytes.readInt16BE(21) | codec, 21);
  return seal(bytes);
}

/** Many records at little cost: null keys, no headers, all of the batch's own timestamp. */
export async function encodeMany(count: number, value: (index: number) => Buffer | null): Promise<Buffer> {
  const records: Buffer[] = [];
  for (let index = 0; index < count; index++) {
    const bytes = value(index);
    // Attributes, timestamp delta, offset delta, key, value, number of headers.
    const body = [
      Buffer.from([0, 0]),
      varint(index),
      varint(-1),
      varint(bytes?.length ?? -1),
      bytes ?? Buffer.alloc(0),
      Buffer.from([0]),
    ];
    const size = body.reduce((sum, { length }) => sum + length, 0);
    records.push(Buffer.concat([varint(size), ...body]));
  }
  const buf = Buffer.concat(records);
  const { buffer } = await RecordBatch({
    lastOffsetDelta: count - 1,
    compression: GZIP,
    // To kafkajs, one encoded record.
    records: [{ buf, buffer: buf }],
  });
  buffer.writeInt32BE(count, 57);
  return seal(buffer);
}

/** Puts the checksum right. */
export function seal(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32C(batch.subarray(21)), 17);
  return batch;
}

/** The marker at the end of a transaction. */
export function encodeMarker(
  firstOffset: number,
  producerId: number,
  type: 'commit' | 'abort',
): Promise<Buffer> {
  return encode({
    firstOffset,
    producerId,
    attributes: TRANSACTIONAL | CONTROL,
    records: [
      { offsetDelta: 0, key: Buffer.from([0, 0, 0, type === 'commit' ? 1 : 0]), value: Buffer.alloc(6) },
    ],
  });
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

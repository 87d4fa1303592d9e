/** What Kafka's clients compress with. */
import * as zlib from 'node:zlib';
import { compress as lz4 } from 'lz4js';
import { compress as snappy } from 'snappyjs';
import { GZIP, LZ4, SNAPPY, ZSTANDARD } from './records';

export interface Compression {
  name: string;
  codec: number;
  compress: (bytes: Buffer) => Buffer;
}

const { zstdCompressSync } = zlib as { zstdCompressSync?: (bytes: Buffer) => Buffer };

/** Zstandard where this version of Node.js has it. */
export const COMPRESSIONS: Compression[] = [
  { name: 'gzip', codec: GZIP, compress: (bytes) => zlib.gzipSync(bytes) },
  { name: 'Snappy as it is', codec: SNAPPY, compress: (bytes) => Buffer.from(snappy(new Uint8Array(bytes))) },
  { name: 'Snappy in the framing of Java', codec: SNAPPY, compress: inXerialFraming },
  { name: 'LZ4', codec: LZ4, compress: (bytes) => Buffer.from(lz4(bytes)) },
  ...(zstdCompressSync ? [{ name: 'Zstandard', codec: ZSTANDARD, compress: zstdCompressSync }] : []),
];

/** Blocks of 32 kB, as snappy-java makes them. */
function inXerialFraming(bytes: Buffer): Buffer {
  const parts = [Buffer.from('\x82SNAPPY\0\0\0\0\x01\0\0\0\x01', 'latin1')];
  for (let at = 0; at < bytes.length; at += 32 * 1024) {
    const block = Buffer.from(snappy(new Uint8Array(bytes.subarray(at, at + 32 * 1024))));
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

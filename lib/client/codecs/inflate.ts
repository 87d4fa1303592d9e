/** What a producer has compressed is inflated piece by piece: so its size does not matter. */
import { gunzip } from './gzip';
import { unlz4 } from './lz4';
import { unsnappy } from './snappy';
import { TooLarge } from './too_large';
import { unzstd } from './zstd';

/** As a record batch numbers them. */
const CODECS: Record<number, { name: string; inflate: (bytes: Buffer) => Generator<Buffer> }> = {
  1: { name: 'gzip', inflate: gunzip },
  2: { name: 'Snappy', inflate: unsnappy },
  3: { name: 'LZ4', inflate: unlz4 },
  4: { name: 'Zstandard', inflate: unzstd },
};

export function isKnown(codec: number): boolean {
  return codec in CODECS;
}

/**
 * @param codec a known one
 * @returns the pieces, none of them larger than MOST_BYTES; each has memory of its own. Not to be left before their end
 * without a `return()`.
 * @throws TooLarge, or an Error with what is wrong with the bytes, once it comes to that
 */
export function* inflate(codec: number, bytes: Buffer): Generator<Buffer, void, undefined> {
  const { name, inflate } = CODECS[codec] as (typeof CODECS)[number];
  try {
    yield* inflate(bytes);
  } catch (error) {
    if (error instanceof TooLarge) throw error;
    throw new Error(`what is in it is no valid ${name} (${(error as Error).message})`);
  }
}

import { Gunzip } from 'minizlib';
import { Stepwise } from './stepwise';

/** Deflate makes nothing smaller than by a factor of 1032: what this many bytes give is 4 MB at most. */
const STEP = 4096;

export function* gunzip(bytes: Buffer): Generator<Buffer> {
  const decoder = new Stepwise(new Gunzip({}));
  try {
    for (let at = 0; at < bytes.length; at += STEP)
      yield* decoder.push(bytes.subarray(at, at + STEP), at + STEP >= bytes.length);
  } finally {
    decoder.close();
  }
}

import { uncompress } from 'snappyjs';
import { MOST_BYTES, TooLarge } from './too_large';

/** The framing of Java's clients: this, two versions of 4 bytes, and blocks, each after its length. */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const XERIAL_HEADER = 16;
/** Snappy's densest element: 3 bytes stand for 64. */
const MOST_RATIO = 64 / 3;

/** Either in that framing, or one block as it is. */
export function* unsnappy(bytes: Buffer): Generator<Buffer> {
  if (!bytes.subarray(0, XERIAL.length).equals(XERIAL)) {
    yield inflateBlock(bytes);
    return;
  }
  for (let at = XERIAL_HEADER; at < bytes.length; ) {
    const end = at + 4 + bytes.readInt32BE(at);
    if (end < at + 4 || end > bytes.length) throw new Error(`a block of ${end - at - 4} bytes`);
    yield inflateBlock(bytes.subarray(at + 4, end));
    at = end;
  }
}

function inflateBlock(block: Buffer): Buffer {
  const size = sizeOf(block);
  if (size > block.length * MOST_RATIO) throw new Error(`${block.length} bytes can't hold ${size}`);
  if (size > MOST_BYTES) throw new TooLarge(size);
  return uncompress(block);
}

/** What the block says that it holds: 7 bits a byte, the lowest ones first. */
function sizeOf(block: Buffer): number {
  let size = 0;
  for (let index = 0; index < 5; index++) {
    const byte = block.readUInt8(index);
    size += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) break;
  }
  return size;
}

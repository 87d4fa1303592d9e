import * as zlib from 'node:zlib';
import { Decompress } from 'fzstd';
import { ZstdDecompress } from 'minizlib';
import { Stepwise } from './stepwise';
import { MOST_BYTES, TooLarge } from './too_large';

/** See https://www.rfc-editor.org/rfc/rfc8878#section-3. */
const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a5;
const RLE = 1;
/** A block of 4 bytes may be of this size ... */
const MOST_IN_BLOCK = 128 * 1024;
/** ... so that a byte stands for 32768 at most. */
const MOST_RATIO = MOST_IN_BLOCK / 4;
/** The widest window that Kafka's clients read, and write (at the level 22). */
const MOST_WINDOW = 2 ** 27;
/** Where a frame says the size of its window. */
const WINDOW_AT = 5;

/**
 * Checksums are passed over, or held against what comes out, as the decoder has it: the record batch has one of its own.
 *
 * @throws TooLarge where references may reach back further than MOST_BYTES
 */
export function* unzstd(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const magic = bytes.readUInt32LE(at);
    if (magic >>> 4 === SKIPPABLE) at += 8 + bytes.readUInt32LE(at + 4);
    else if (magic === MAGIC) at = yield* inflateFrame(bytes, at);
    else throw new Error('no frame where one should begin');
  }
}

/** @returns where the frame ends */
function* inflateFrame(bytes: Buffer, start: number): Generator<Buffer, number> {
  const { blocks, window, size, hasChecksum } = readHeader(bytes, start);
  if (window > MOST_WINDOW) throw new Error(`a window of ${window} bytes`);
  const ends = endsOfBlocks(bytes, blocks, hasChecksum);
  const decoder = createDecoder(ends.length * MOST_IN_BLOCK);
  let [at, inflated] = [start, 0];
  try {
    for (const end of ends) {
      for (const piece of decoder.push(bytes.subarray(at, end), end === ends.at(-1))) {
        inflated += piece.length;
        // As long as a large window is not filled, it costs nothing.
        if (Math.min(window, inflated) > MOST_BYTES) throw new TooLarge(window);
        yield piece;
      }
      at = end;
    }
  } finally {
    decoder.close();
  }
  if (size !== undefined && size !== inflated) throw new Error(`${inflated} bytes instead of ${size}`);
  return at;
}

/** @returns for each block where it ends, with the checksum where it is the last */
function endsOfBlocks(bytes: Buffer, start: number, hasChecksum: boolean): number[] {
  const ends: number[] = [];
  for (let [at, isLast] = [start, false]; !isLast; ends.push(at)) {
    const header = bytes.readUIntLE(at, 3);
    const length = header >>> 3;
    if (length > MOST_IN_BLOCK) throw new Error(`a block of ${length} bytes`);
    isLast = (header & 1) === 1;
    at += 3 + (((header >>> 1) & 3) === RLE ? 1 : length) + (isLast && hasChecksum ? 4 : 0);
    if (at > bytes.length) throw new Error('unexpected end');
  }
  return ends;
}

function readHeader(bytes: Buffer, start: number) {
  const flags = bytes.readUInt8(start + 4);
  if (flags & 0x0b) throw new Error('a frame of an unknown kind, or one that needs a dictionary');
  const isWhole = isOneSegment(flags);
  const sizeBytes = [isWhole ? 1 : 0, 2, 4, 8][flags >>> 6] as number;
  const sizeAt = start + WINDOW_AT + (isWhole ? 0 : 1);
  const blocks = sizeAt + sizeBytes;
  const size = sizeBytes > 0 ? readSize(bytes, sizeAt, sizeBytes) : undefined;
  if (size !== undefined && size > (bytes.length - blocks) * MOST_RATIO)
    throw new Error(`${bytes.length} bytes can't hold ${size}`);
  if (isWhole && size !== undefined && size > MOST_BYTES) throw new TooLarge(size);
  const descriptor = bytes.readUInt8(start + WINDOW_AT);
  const base = 2 ** (10 + (descriptor >>> 3));
  const window = isWhole ? (size as number) : base + (base / 8) * (descriptor & 7);
  return { blocks, window, size, hasChecksum: (flags & 0x04) !== 0 };
}

/** Then the window is as large as the content, and not said. */
function isOneSegment(flags: number): boolean {
  return (flags & 0x20) !== 0;
}

function readSize(bytes: Buffer, at: number, length: number): number {
  if (length === 8) return Number(bytes.readBigUInt64LE(at));
  return bytes.readUIntLE(at, length) + (length === 2 ? 256 : 0);
}

interface Decoder {
  /** @param bytes a block, the first one with the frame's header before it, and the last one with the checksum after it */
  push(bytes: Buffer, isLast: boolean): Buffer[];
  close(): void;
}

/**
 * Node.js has a decoder from 22.15 on, which is faster by far.
 *
 * @param most that the frame's content may be, in bytes
 */
function createDecoder(most: number): Decoder {
  return 'ZstdDecompress' in zlib ? new Stepwise(new ZstdDecompress({})) : new DecoderInJavaScript(most);
}

class DecoderInJavaScript implements Decoder {
  private pieces: Buffer[] = [];
  private isNew = true;
  private readonly decoder = new Decompress(({ buffer, byteOffset, length }) =>
    this.pieces.push(Buffer.from(buffer, byteOffset, length)),
  );

  constructor(private readonly most: number) {}

  push(bytes: Buffer, isLast: boolean): Buffer[] {
    this.decoder.push(this.isNew ? withWindow(bytes, Math.min(this.most, MOST_BYTES)) : bytes, isLast);
    this.isNew = false;
    const { pieces } = this;
    this.pieces = [];
    return pieces;
  }

  close(): void {}
}

/** This decoder makes room for the whole window, filled or not, and moves all of that for each block. */
function withWindow(bytes: Buffer, most: number): Buffer {
  const descriptor = (Math.ceil(Math.log2(most)) - 10) << 3;
  if (isOneSegment(bytes.readUInt8(4)) || bytes.readUInt8(WINDOW_AT) <= descriptor) return bytes;
  const changed = Buffer.from(bytes);
  changed[WINDOW_AT] = descriptor;
  return changed;
}

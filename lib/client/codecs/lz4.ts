import { decompressBlock } from 'lz4js';

/** See https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md. */
const MAGIC = 0x184d2204;
const SKIPPABLE = 0x184d2a5;
const STORED = 0x80000000;
/** How far back a block may refer, into the ones before it. */
const WINDOW = 64 * 1024;
/** A byte of a block stands for 255 at most. */
const MOST_RATIO = 255;

/** Checksums are passed over: the record batch has one of its own. */
export function* unlz4(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const magic = bytes.readUInt32LE(at);
    if (magic >>> 4 === SKIPPABLE) at += 8 + bytes.readUInt32LE(at + 4);
    else if (magic === MAGIC) at = yield* inflateFrame(bytes, at + 4);
    else throw new Error('no frame where one should begin');
  }
}

/** @returns where the frame ends */
function* inflateFrame(bytes: Buffer, start: number): Generator<Buffer, number> {
  const flags = bytes.readUInt8(start);
  const [version, areLinked, haveChecksums, hasSize, hasChecksum, hasDictionary] = [
    flags >>> 6,
    !(flags & 0x20),
    flags & 0x10,
    flags & 0x08,
    flags & 0x04,
    flags & 0x01,
  ];
  const sizeCode = (bytes.readUInt8(start + 1) >>> 4) & 7;
  if (version !== 1 || sizeCode < 4 || hasDictionary) throw new Error('a frame of an unknown kind');
  // 64 kB, 256 kB, 1 MB or 4 MB.
  const most = 2 ** (8 + 2 * sizeCode);
  const size = hasSize ? Number(bytes.readBigUInt64LE(start + 2)) : undefined;
  let at = start + (hasSize ? 11 : 3);
  let inflated = 0;
  let window: Buffer = Buffer.alloc(0);
  for (let header = bytes.readUInt32LE(at); header !== 0; header = bytes.readUInt32LE(at)) {
    const isStored = header >= STORED;
    const block = bytes.subarray(at + 4, at + 4 + (isStored ? header - STORED : header));
    at += 4 + block.length + (haveChecksums ? 4 : 0);
    const piece = isStored ? block : inflateBlock(block, window, most);
    if (piece.length > most || at + 4 > bytes.length) throw new Error('a block that is too large');
    inflated += piece.length;
    yield piece;
    if (areLinked) window = Buffer.concat([window, piece]).subarray(-WINDOW);
  }
  if (size !== undefined && size !== inflated) throw new Error(`${inflated} bytes instead of ${size}`);
  return at + 4 + (hasChecksum ? 4 : 0);
}

/** @param window what comes before it */
function inflateBlock(block: Buffer, window: Buffer, most: number): Buffer {
  const room = Math.min(most, block.length * MOST_RATIO);
  const bytes = Buffer.allocUnsafe(window.length + room);
  window.copy(bytes);
  const end = decompressBlock(block, bytes, 0, block.length, window.length);
  if (end > bytes.length) throw new Error('a block that is too large');
  return bytes.subarray(window.length, end);
}

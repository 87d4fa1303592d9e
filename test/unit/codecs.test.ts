import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inflate } from '../../lib/client/codecs/inflate';
import { MOST_BYTES, TooLarge } from '../../lib/client/codecs/too_large';
import fixtures from '../fixtures/codecs.json';
import { COMPRESSIONS } from '../support/codecs';
import { randomNumbers } from '../support/random';
import { LZ4, SNAPPY, ZSTANDARD } from '../support/records';

const all = (codec: number, bytes: Buffer) => Buffer.concat([...inflate(codec, bytes)]);

/** Some of it repeats, near and far; some of it does not. */
function randomContent(random: () => number): Buffer {
  const upTo = (limit: number) => Math.floor(random() * limit);
  const parts: Buffer[] = [];
  for (let count = 1 + upTo(30); count > 0; count--) {
    const kind = upTo(4);
    const earlier = parts[upTo(parts.length)];
    if (kind === 0 && earlier) parts.push(earlier);
    else if (kind === 1) parts.push(Buffer.alloc(upTo(200_000), upTo(256)));
    else if (kind === 2) parts.push(Buffer.from(Array.from({ length: upTo(3000) }, () => upTo(256))));
    else
      parts.push(
        Buffer.from(`{"current_time":"2026-11-23 20:00:${upTo(60)}","n":${upTo(1e9)}}`.repeat(upTo(500))),
      );
  }
  return Buffer.concat(parts);
}

for (const { name, codec, compress } of COMPRESSIONS)
  test(`${name}: what was compressed is what is inflated`, () => {
    for (let seed = 1; seed <= 30; seed++) {
      const content = randomContent(randomNumbers(seed));
      assert.ok(all(codec, compress(content)).equals(content), `seed ${seed}`);
    }
  });

const lines = (count: number) => {
  let state = 1;
  const two = (number: number) => String(number).padStart(2, '0');
  return Array.from({ length: count }, (_, i) => {
    state = Number((BigInt(state) * 1103515245n + 12345n) & 0x7fffffffn);
    const clock = [Math.floor(i / 3600) % 24, Math.floor(i / 60) % 60, i % 60].map(two).join(':');
    return `{"current_time":"2026-11-23 ${clock}","n":${state % 10}}\n`;
  }).join('');
};
const CONTENTS: Record<string, Buffer> = {
  long: Buffer.from(lines(1600)),
  short: Buffer.from(lines(3)),
  'short twice': Buffer.from(lines(3).repeat(2)),
  '9 bytes': Buffer.from(lines(1).slice(0, 9)),
  zeros: Buffer.alloc(1_000_000),
};

for (const [codec, { by, frames }] of [
  [LZ4, fixtures.lz4],
  [ZSTANDARD, fixtures.zstd],
] as const)
  for (const { what, of, bytes } of frames)
    test(`by ${by}: ${what}`, () => {
      const compressed = Buffer.from(bytes, 'base64');
      assert.ok(all(codec, compressed).equals(CONTENTS[of] as Buffer));
      // Cut off anywhere, it ends with an error, or where a frame does.
      for (let size = 1; size < compressed.length; size += Math.ceil(compressed.length / 200))
        try {
          const inflated = all(codec, compressed.subarray(0, size));
          assert.ok(
            what.startsWith('two frames') && inflated.equals(CONTENTS.short as Buffer),
            `${size} bytes`,
          );
        } catch (error) {
          assert.match((error as Error).message, /^what is in it is no valid (LZ4|Zstandard) \(.+\)$/);
        }
    });

test('however much a few bytes hold, it is inflated piece by piece', () => {
  const zeros = Buffer.alloc(4 * MOST_BYTES);
  for (const { name, codec, compress } of COMPRESSIONS.filter(({ name }) => name !== 'Snappy as it is')) {
    const compressed = compress(zeros);
    let inflated = 0;
    for (const piece of inflate(codec, compressed)) {
      assert.ok(piece.length <= 4 * 1024 * 1024, `${name}: a piece of ${piece.length} bytes`);
      inflated += piece.length;
    }
    assert.equal(inflated, zeros.length, name);
  }
});

test('bytes that say they are larger than they can be are no valid ones', () => {
  const bytes = (...values: number[]) => Buffer.from(values);
  const fails = (codec: number, compressed: Buffer) =>
    assert.throws(() => all(codec, compressed), /^Error: what is in it is no valid /);
  fails(SNAPPY, bytes(0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x00));
  fails(SNAPPY, bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0x0f));
  // One segment of 2^31 bytes.
  fails(ZSTANDARD, bytes(0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x80, 1, 0, 0));
  // A window of 2^41 bytes; a block of 2^21 - 1; one that is 2 MB of the same.
  fails(ZSTANDARD, bytes(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 1, 0, 0));
  fails(ZSTANDARD, bytes(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0xf9, 0xff, 0xff));
  fails(ZSTANDARD, bytes(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0xfb, 0xff, 0xff, 0x41));
  // A block of 2^31 - 1 bytes, another of 2^30.
  fails(LZ4, bytes(0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0));
  fails(LZ4, bytes(0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0, 0, 0, 0xc0, 0, 0, 0, 0));
});

test('what needs more memory at once than there is is too large', () => {
  const zeros = Buffer.alloc(MOST_BYTES + 1);
  const [, raw] = COMPRESSIONS;
  assert.throws(() => all(SNAPPY, raw?.compress(zeros) as Buffer), TooLarge);
  // One segment of 2^25 bytes, of which there are enough.
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x02]);
  assert.throws(() => all(ZSTANDARD, Buffer.concat([header, Buffer.alloc(2000)])), TooLarge);
});

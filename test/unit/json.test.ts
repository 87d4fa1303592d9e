import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readString } from '../../lib/message/json';
import { randomNumbers } from '../support/random';

const SEEDS = [
  '{"name":"a"}',
  '{"a":[1,-2.5e+3,true,null,{"name":"b"}],"name":"c","name":"\\u0032d"}',
  '[[],{},"\\n\\/"]',
  ' {"a" : [ ] , "name" : 1 } ',
  '{"n\\u0061me":"e","f":{"name":"g"}}',
  '{"name":{"name":"h"},"i":[false]}',
  '-0.1E-2',
  '"x"',
];
const ALPHABET = '{}[],:"\\u0123456789.-+eEtrufalsn \t\n\r\0\u007fname/';

const read = (json: string | Buffer): string | undefined => {
  try {
    return readString(json, 'name');
  } catch (error) {
    assert.ok(error instanceof SyntaxError, String(error));
    return 'no JSON';
  }
};

test('bytes are read as JSON.parse reads the text, be they JSON or not', () => {
  const random = randomNumbers(1);
  const upTo = (most: number) => Math.floor(random() * most);
  const seen = new Set<string | undefined>();
  for (let n = 0; n < 100_000; n++) {
    let json = SEEDS[upTo(SEEDS.length)] as string;
    for (let edits = upTo(4); edits > 0; edits--) {
      const at = upTo(json.length + 1);
      const [added, left] = [
        [ALPHABET[upTo(ALPHABET.length)], 0],
        ['', 1],
        ['', upTo(20)],
      ][upTo(3)] as [string, number];
      json = json.slice(0, at) + added + json.slice(at + left);
    }
    const expected = read(json);
    assert.equal(read(Buffer.from(json)), expected, json);
    seen.add(expected);
  }
  for (const one of ['no JSON', undefined, '', 'a', '2d', 'e']) assert.ok(seen.has(one), one);
});

test('however deep it is nested, bytes are read', () => {
  const depth = 1_000_000;
  const json = Buffer.from(`{"a":${'['.repeat(depth)}${']'.repeat(depth)},"name":"b"}`);
  assert.equal(read(json), 'b');
  assert.equal(read(json.subarray(0, -1)), 'no JSON');
});

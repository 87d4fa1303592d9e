import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withSums, withTable } from '../drills/table';

const page = [
  ...['# Drills', '<!-- one broker -->', '<!-- end of one broker -->'],
  ...['Three:', '<!-- three brokers -->', '<!-- end of three brokers -->', 'The end.'],
].join('\n');
const readme = 'Before.\n<!-- drills -->\nof old\n<!-- end of drills -->\nAfter.';
const outcome = { sent: 1000, lost: 0, repeated: 3, disordered: 0 };
const one = new Map([
  [{ name: 'a', title: 'A' }, [outcome]],
  [{ name: 'b', title: 'B' }, [outcome]],
]);
const three = new Map([
  [{ name: 'c', title: 'C' }, [3.04, 5, 4].map((seconds) => ({ ...outcome, lost: 1, seconds }))],
]);

test('a table has the sums of all runs, and of the seconds the median and the highest', () => {
  const row = '| C (`c`) | 3 | 3,000 | 3 | 9 | 0 | 4.0 (5.0) |';
  assert.ok(withTable(page, 3, three, 'Made.').includes(row));
});

test('a new table of one kind leaves the other kind, and all else, as it is', () => {
  const first = withTable(page, 1, one, 'Made first.');
  const both = withTable(first, 3, three, 'Made next.');
  assert.ok(both.startsWith(first.slice(0, first.indexOf('Three:'))));
  assert.ok(both.endsWith('Made next.\n<!-- end of three brokers -->\nThe end.'));
  assert.equal(withTable(both, 3, three, 'Made next.'), both);
});

test('the sums name both kinds, and one that has no table yet is not named', () => {
  const first = withTable(page, 1, one, 'Made.');
  const ofOne = 'On one broker, 2 drills, once each: 2,000 messages sent, 0 lost, 0 out of order.';
  const ofThree = 'On three brokers, 1 drill, 3 times each: 3,000 messages sent, 3 lost, 0 out of order.';
  const link = '([docs/drills.md](docs/drills.md))';
  const around = (...lines: string[]) =>
    `Before.\n<!-- drills -->\n${lines.join('\n')}\n<!-- end of drills -->\nAfter.`;
  assert.equal(withSums(readme, first), around(ofOne, link));
  assert.equal(withSums(readme, withTable(first, 3, three, 'Made.')), around(ofOne, ofThree, link));
});

test('a page without the marks is left alone, and the marks are named', () => {
  assert.throws(() => withTable('', 3, three, ''), /<!-- three brokers -->/);
});

test('the README has the sums of docs/drills.md', () => {
  const [real, table] = ['README.md', 'docs/drills.md'].map((file) =>
    readFileSync(join(__dirname, '..', '..', file), 'utf8'),
  ) as [string, string];
  assert.equal(withSums(real, table), real);
});

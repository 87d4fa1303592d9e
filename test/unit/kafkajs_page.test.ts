/** docs/kafkajs.md shows code that is run, and names tests that are there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(__dirname, '..', '..');
const read = (...names: string[]) => readFileSync(join(ROOT, ...names), 'utf8');
const page = read('docs', 'kafkajs.md');
const plain = (kind: string) => read('docs', 'plain-kafkajs', `${kind}.ts`);

test('the code that the page on kafkajs shows is that of the clients that are run', () => {
  const [oldest = '', run = ''] = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, code = '']) => code);
  assert.equal(oldest, plain('oldest'));
  assert.ok(run.length > 100 && plain('batch').includes(run), run);
});

test('the newest in plain kafkajs differs from the oldest in one word, but for its name', () => {
  const asOldest = plain('newest').replace("'newest'", "'oldest'").replace('false', 'true');
  assert.equal(asOldest, plain('oldest'));
});

test('each test that the page on kafkajs names is there', () => {
  const named = [...page.replace(/\n/g, ' ').matchAll(/`(\w+\.test\.ts)`, "([^"]+)"/g)];
  assert.ok(named.length >= 14, `${named.length}`);
  for (const [, file = '', name = ''] of named)
    assert.ok(read('test', 'integration', file).includes(name), `${file}: ${name}`);
});

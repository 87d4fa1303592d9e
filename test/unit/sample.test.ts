import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { lineOf, offsets, range, received, sent, starts } from '../../harness/log';

const lines = readFileSync(join(__dirname, '..', '..', 'sample_consumer.log'), 'utf8').split('\n');
const of = (service: string) => lines.flatMap((line) => lineOf(service, line) ?? []);

test('sample_consumer.log shows the history replayed, the newest skipping it, and each kind of batch', () => {
  const history = sent(
    lines
      .slice(
        0,
        lines.findIndex((line) => line.includes('Starting at')),
      )
      .flatMap((line) => lineOf('kafka-producer', line) ?? []),
  );
  assert.ok(history.length >= 5);
  assert.deepEqual(starts(of('consumer_from_oldest')), [{ offset: 0, from: 'earliest', partition: 0 }]);
  assert.deepEqual(offsets(of('consumer_from_oldest')), range(0, offsets(of('consumer_from_oldest')).length));
  const [start] = starts(of('consumer_from_newest'));
  assert.equal(start?.from, 'latest');
  assert.ok((start?.offset ?? 0) >= 5);
  assert.equal(offsets(of('consumer_from_newest'))[0], start?.offset);
  const endings = received(of('consumer_batch_message')).map(({ ending }) => ending);
  for (const ending of ['full', 'waited', 'stopping']) assert.ok(endings.includes(ending), ending);
});

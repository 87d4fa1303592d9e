import assert from 'node:assert/strict';
import { test } from 'node:test';
import { experimentsOf, quote, Reading, rewrite } from '../../harness/experiments';

const message = (second: number, offset: number) =>
  `{"current_time":"2026-01-01 00:00:0${second}"} (partition 0, offset ${offset}`;
const received = (second: number, offset: number, age = '4 ms') =>
  `Received: ${message(second, offset)}, ${age} old)`;
/** Where the text's lines are in a run's. */
const found = (text: string[], run: string[]) => new Reading().find(text, run);

test('a run has other times, offsets and ages', () => {
  assert.deepEqual(found([received(1, 12)], ['of its own', received(7, 345, '61 ms')]), [1]);
});

test('offset 0 is offset 0, and what is fresh is fresh', () => {
  assert.equal(
    found(['Starting at offset 0 (earliest, partition 0)'], ['Starting at offset 7 (earliest, partition 0)']),
    undefined,
  );
  assert.equal(found([received(1, 0, '9.0 s')], [received(1, 3, '9.0 s')]), undefined);
  assert.equal(found([received(1, 12)], [received(1, 12, '4.0 s')]), undefined);
  assert.deepEqual(found([received(1, 12, '4.0 s')], [received(1, 12, '3 min')]), [0]);
});

test('words, settings and partitions are what they are', () => {
  assert.equal(
    found(
      ['Resuming at offset 4 (committed by group a, partition 0)'],
      ['Resuming at offset 4 (committed by group b, partition 0)'],
    ),
    undefined,
  );
  assert.equal(
    found(['Starting at offset 4 (latest, partition 0)'], ['Starting at offset 4 (latest, partition 1)']),
    undefined,
  );
});

test('the lines come in their order, others between them', () => {
  const run = [received(1, 1), 'No partitions assigned', received(2, 2)];
  assert.deepEqual(found(['No partitions assigned', '⋮', received(4, 4)], run), [1, 2]);
  assert.equal(found([received(4, 4), received(5, 5), 'No partitions assigned'], run), undefined);
});

test('a message that the text shows twice is shown twice by the run, also over two steps', () => {
  const twice = [received(1, 10), received(2, 11), received(1, 10, '9.0 s')];
  const once = [received(5, 50), received(6, 51), received(7, 52, '9.0 s')];
  assert.equal(found(twice, once), undefined);
  assert.deepEqual(found(twice, [...once, received(6, 51, '8.0 s')]), undefined);
  assert.deepEqual(found(twice, [...once, received(5, 50, '8.0 s')]), [0, 1, 3]);
  const reading = new Reading();
  assert.ok(reading.find([received(1, 10)], [received(5, 50)]));
  assert.equal(reading.find([received(1, 10)], [received(6, 51)]), undefined);
});

test('an age that grows in the text grows in the run', () => {
  const text = [received(1, 1, '1.0 s'), received(2, 2, '4.0 s')];
  assert.equal(found(text, [received(1, 1, '2.0 s'), received(2, 2, '2.2 s')]), undefined);
  assert.deepEqual(
    found(text, [received(1, 1, '2.0 s'), received(2, 2, '2.2 s'), received(3, 3, '3.1 s')]),
    [0, 2],
  );
});

test('a full batch is as large as in the text; one that waited, as it came, and about as long', () => {
  const batch = (seconds: number[], ending: string, wait = '') =>
    `Received: [${seconds.map((second) => `{"current_time":"2026-01-01 00:00:0${second}"}`)}] (${seconds.length} messages, partition 0, offsets 4-${3 + seconds.length}, up to 3.0 s old, ${ending}${wait})`;
  assert.deepEqual(found([batch([1, 2], 'full')], [batch([3, 4], 'full')]), [0]);
  assert.equal(found([batch([1, 2], 'full')], [batch([3, 4, 5], 'full')]), undefined);
  assert.deepEqual(
    found([batch([1, 2], 'waited', ' 3000 ms')], [batch([3, 4, 5], 'waited', ' 3017 ms')]),
    [0],
  );
  assert.equal(
    found([batch([1, 2], 'waited', ' 3000 ms')], [batch([3, 4], 'waited', ' 1000 ms')]),
    undefined,
  );
});

test("the columns of Kafka's table are as wide as they are, and a member is the same in all its rows", () => {
  const row = (group: string, offset: string, id: string) =>
    `${group}  t  0  ${offset}  9  1  c-${id}  /10.0.0.1  c`;
  const [one, other] = ['0000000a-0000-0000-0000-000000000000', '0000000b-0000-0000-0000-000000000000'];
  assert.deepEqual(found([row('g', '8', one)], [row('g', '1034', other).replaceAll('  ', '      ')]), [0]);
  assert.equal(
    found([row('g', '8', one), row('g', '8', one)], [row('g', '8', one), row('g', '8', other)]),
    undefined,
  );
});

test('an experiment is a heading with commands and lines; its lines are rewritten, and no others', () => {
  const text =
    'x\n\n## Why?\n\n```sh\na\n```\n```text\n1\n2\n```\n\nwords\n\n```sh\nb\n```\n```text\n3\n```\n## Not one\n```sh\nc\n```\n';
  const [experiment, ...others] = experimentsOf(text);
  assert.ok(experiment);
  assert.deepEqual(others, []);
  assert.deepEqual(experiment, {
    title: 'Why?',
    slug: 'why',
    steps: [
      { commands: 'a\n', lines: ['1', '2'] },
      { commands: 'b\n', lines: ['3'] },
    ],
  });
  const steps = experiment.steps.map((step) => ({ ...step, lines: ['new'] }));
  assert.equal(rewrite(text, { ...experiment, steps }), text.replace('1\n2', 'new').replace('3', 'new'));
});

test('a quote is taken from another log, in a list too, and only where that log has it', () => {
  const text = `- a\n\n  \`\`\`log\n  ${received(1, 1)}\n  ${received(2, 2)}\n  \`\`\`\n`;
  const log = [received(5, 5), 'x', received(6, 6)];
  assert.equal(quote(text, log), `- a\n\n  \`\`\`log\n  ${log[0]}\n  ⋮\n  ${log[2]}\n  \`\`\`\n`);
  assert.equal(quote(text, log.slice(1)), undefined);
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { range } from '../../harness/log';
import { timeline } from '../../tools/timeline';

const root = join(__dirname, '..', '..');
const read = (...names: string[]) => readFileSync(join(root, ...names), 'utf8');

const value = (second: number) => `{"current_time":"2026-01-01 00:00:${String(second).padStart(2, '0')}"}`;
const sent = (second: number, partition = 0, offset = second) =>
  `kafka-producer  | Sent: ${value(second)} (partition ${partition}, offset ${offset})`;
const got = (name: string, second: number, age: string, partition = 0, offset = second) =>
  `consumer_${name}  | Received: ${value(second)} (partition ${partition}, offset ${offset}, ${age} old)`;
const start = (name: string, offset: number, from: string) =>
  `consumer_${name}  | Starting at offset ${offset} (${from}, partition 0)`;
const batch = (first: number, last: number, ending: string) => {
  const values = range(first, last + 1).map(value);
  return `consumer_batch_message  | Received: [${values}] (${values.length} messages, partition 0, offsets ${first}-${last}, up to 3.0 s old, ${ending})`;
};
/** A history of three, replayed and skipped, then two more. */
const demo = [
  'kafka  | [2026-01-01 00:00:00,000] INFO some of its own',
  ...[0, 1, 2].map((second) => sent(second)),
  start('from_oldest', 0, 'earliest'),
  start('from_newest', 3, 'latest'),
  start('batch_message', 0, 'earliest'),
  ...[0, 1, 2].map((second) => got('from_oldest', second, `${2 - second}.5 s`)),
  batch(0, 1, 'full'),
  ...[3, 4].flatMap((second) => [
    sent(second),
    got('from_oldest', second, '4 ms'),
    got('from_newest', second, '5 ms'),
  ]),
  batch(2, 4, 'waited 3000 ms'),
];

const row = (svg: string, service: string) => svg.split(`<g id="${service}">`)[1]?.split('</g>')[0] ?? '';
const xs = (marks: string) => [...marks.matchAll(/<circle cx="([\d.]+)"/g)].map(([, x]) => Number(x));
/** The seconds at which the dots of a service stand, by the distance of the producer's first two. */
function seconds(svg: string, service: string): number[] {
  const [zero = 0, one = 1] = xs(row(svg, 'kafka-producer'));
  return xs(row(svg, service)).map((x) => Math.round(((x - zero) / (one - zero)) * 10) / 10);
}

test('docs/timeline.svg is drawn from sample_consumer.log', () => {
  const drawn = timeline(read('sample_consumer.log').split('\n'));
  assert.ok(drawn === read('docs', 'timeline.svg'), 'docs/timeline.svg is of another log: npm run timeline');
});

test('a message is a dot at the moment when it was sent, and another at each when it was received', () => {
  const svg = timeline(demo);
  assert.deepEqual(seconds(svg, 'kafka-producer'), [0, 1, 2, 3, 4]);
  assert.deepEqual(seconds(svg, 'consumer_from_oldest'), [2.5, 2.5, 2.5, 3, 4]);
});

test('the newest has no dot before its start', () => {
  assert.deepEqual(seconds(timeline(demo), 'consumer_from_newest'), [3, 4]);
});

test('each batch is one frame with its ending, around all of its messages, when the last has come and it has waited', () => {
  const svg = timeline(demo);
  const marks = row(svg, 'consumer_batch_message');
  assert.equal(marks.match(/<rect/g)?.length, 2);
  assert.match(marks, />full<.*>waited 3000 ms</s);
  assert.deepEqual(seconds(svg, 'consumer_batch_message'), [2.5, 2.5, 5.5, 5.5, 5.5]);
});

test('each consumer says where it starts', () => {
  const svg = timeline(demo);
  assert.match(row(svg, 'consumer_from_oldest'), />Starting at offset 0 \(earliest\)</);
  assert.match(row(svg, 'consumer_from_newest'), />Starting at offset 3 \(latest\)</);
});

test('a line leads to each message received from where it was sent, whichever partition it is of', () => {
  const svg = timeline([
    sent(0, 0, 7),
    sent(1, 1, 7),
    got('from_oldest', 1, '0 ms', 1, 7),
    got('from_oldest', 0, '4.0 s', 0, 7),
    got('from_oldest', 0, '5.0 s', 0, 6),
  ]);
  const ways = [...svg.matchAll(/M([\d.]+) [\d.]+L([\d.]+)/g)].map(([, from, to]) => [from, to].map(Number));
  const [first, second] = xs(row(svg, 'kafka-producer'));
  const [early, late] = xs(row(svg, 'consumer_from_oldest'));
  assert.deepEqual(ways, [
    [second, early],
    [first, late],
  ]);
});

test('a value that was skipped is no dot of its batch', () => {
  const skipped = 'consumer_batch_message  | Skipped: x (partition 0, offset 1, not JSON)';
  const hole = batch(0, 2, 'full').replace('3 messages', '2 messages');
  assert.equal(seconds(timeline([sent(0), sent(2), skipped, hole]), 'consumer_batch_message').length, 2);
});

test('what comes after 20 seconds is not drawn', () => {
  assert.equal(seconds(timeline(range(0, 30).map((second) => sent(second))), 'kafka-producer').length, 20);
});

test('colours in the log, and the order of its containers where Docker says the time, make no difference', () => {
  const coloured = demo.map((line) => line.replace(/^(\S+ +\|)/, '\u001b[33m$1\u001b[0m'));
  assert.equal(timeline(coloured), timeline(demo));
  const stamped = demo.map((line, index) =>
    line.replace(' | ', ` | 2026-01-01T00:00:00.0000000${10 + index}Z `),
  );
  assert.equal(timeline(stamped.sort()), timeline(demo));
});

test('a log without messages is an error of one line', () => {
  assert.throws(() => timeline(['kafka  | started', start('from_oldest', 0, 'earliest')]), /0 messages: .*;/);
  const script = ['-r', './compiled', 'tools/timeline.ts', '-'];
  const { status, stdout, stderr } = spawnSync(process.execPath, script, { cwd: root, input: '' });
  assert.deepEqual([status, `${stdout}`], [1, '']);
  assert.match(`${stderr}`, /^The log has 0 messages: [^\n]+\n$/);
});

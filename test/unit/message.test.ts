import assert from 'node:assert/strict';
import { test } from 'node:test';
import { age } from '../../lib/message/age';
import {
  describeBatch,
  describeReceived,
  describeSkipped,
  type Message,
  makeValue,
  parse,
} from '../../lib/message/message';

const record = (value: Buffer | string | null) => ({
  offset: 7,
  timestamp: 1000,
  value: typeof value === 'string' ? Buffer.from(value) : value,
});
const message = (offset: number): Message => ({
  text: `{"n":${offset}}`,
  partition: 0,
  offset,
  timestamp: 0,
});

test('a new message has the local time, to the second', () => {
  assert.equal(makeValue(new Date(2026, 0, 2, 3, 4, 5)), '{"current_time":"2026-01-02 03:04:05"}');
});

test('further keys of a message are kept, and shown in one line', () => {
  const value = '{\n\t"current_time": "2026-01-02 03:04:05",\r\n\t"big": 12345678901234567890 }';
  const parsed = parse(2, record(value)) as Message;
  assert.deepEqual(parsed, { text: value, partition: 2, offset: 7, timestamp: 1000 });
  const shown = '{ "current_time": "2026-01-02 03:04:05", "big": 12345678901234567890 }';
  assert.equal(describeReceived(parsed, 1004), `Received: ${shown} (partition 2, offset 7, 4 ms old)`);
  assert.equal(
    describeBatch([parsed], 'full', 1004),
    `Received: [${shown}] (1 message, partition 2, offset 7, up to 4 ms old, full)`,
  );
});

test('control characters within a message are escaped, and leave the same JSON', () => {
  const value = '{"current_time":"2026-01-02 03:04:05","odd":"\u007f\u009b31m\u202e\u2028"}';
  const line = describeReceived(parse(0, record(value)) as Message, 0) as string;
  const shown = line.slice('Received: '.length);
  assert.match(shown, /"odd":"\\u007f\\u009b31m\\u202e\\u2028"/);
  assert.deepEqual(JSON.parse(shown.slice(0, shown.lastIndexOf(' ('))), JSON.parse(value));
});

test('a replacement character of the value itself is no sign of broken UTF-8', () => {
  const value = '{"current_time":"2026-01-02 03:04:05","odd":"\uFFFD"}';
  assert.ok('text' in parse(0, record(value)));
  assert.deepEqual(parse(0, record(Buffer.from([0x7b, 0xff]))), { reason: 'not UTF-8' });
});

test('age is one number in one unit, rounded down, never below 0', () => {
  const of = (ms: number) => age(ms);
  assert.deepEqual(
    [
      -5, 0, 4, 999, 1000, 9876, 59_999, 60_000, 3_599_999, 3_600_000, 86_399_999, 86_400_000, 200_000_000,
    ].map(of),
    [
      '0 ms',
      '0 ms',
      '4 ms',
      '999 ms',
      '1.0 s',
      '9.8 s',
      '59.9 s',
      '1 min',
      '59 min',
      '1 h',
      '23 h',
      '1 d',
      '2 d',
    ],
  );
});

test('a received message shows its place and its age', () => {
  assert.equal(describeReceived(message(4), 9800), 'Received: {"n":4} (partition 0, offset 4, 9.8 s old)');
});

test('a message without a timestamp has no age', () => {
  const timeless = { ...message(4), timestamp: undefined };
  assert.equal(describeReceived(timeless, 9800), 'Received: {"n":4} (partition 0, offset 4, age unknown)');
  assert.match(describeBatch([timeless], 'full', 9800) as string, /offset 4, age unknown, full\)$/);
});

test('a batch shows at most ten messages, its offsets, the age of its oldest, and why it ended', () => {
  assert.equal(
    describeBatch([{ ...message(8), timestamp: 500 }, message(9)], 'waited 3000 ms', 3000),
    'Received: [{"n":8},{"n":9}] (2 messages, partition 0, offsets 8-9, up to 3.0 s old, waited 3000 ms)',
  );
  assert.equal(
    describeBatch([message(8)], 'stopping', 4),
    'Received: [{"n":8}] (1 message, partition 0, offset 8, up to 4 ms old, stopping)',
  );
  const twelve = Array.from({ length: 12 }, (_, n) => message(n));
  assert.match(
    describeBatch(twelve, 'full', 0) as string,
    /\{"n":9\}, … 2 more\] \(12 messages, partition 0, offsets 0-11, up to 0 ms old, full\)$/,
  );
});

test('a skipped value is cut to its first characters, whole ones', () => {
  assert.equal(
    describeSkipped(0, record(`\u001b${'😀'.repeat(100)}`), 'not JSON'),
    `Skipped: \\u001b${'😀'.repeat(59)}… (partition 0, offset 7, not JSON)`,
  );
});

test('a thousand values at random are a message or a reason, and printable either way', () => {
  for (let n = 0; n < 1000; n++) {
    const bytes = Buffer.from(Array.from({ length: n % 50 }, () => Math.floor(Math.random() * 256)));
    const parsed = parse(0, record(bytes));
    const line =
      'reason' in parsed ? describeSkipped(0, record(bytes), parsed.reason) : describeReceived(parsed, 0);
    assert.doesNotMatch(line as string, /\p{Cc}/u, bytes.toString('hex'));
  }
});

test('a large message is shown whole, however its characters fall into the pieces', () => {
  for (const start of ['', 'x']) {
    const value = `{"current_time":"2026-01-02 03:04:05","odd":"${start}${'😀\u007f'.repeat(60_000)}"}`;
    const parsed = parse(0, record(value)) as Message;
    assert.equal(parsed.text, value);
    const line = [...describeBatch([parsed, parsed], 'full', 1)].join('');
    const shown = value.replaceAll('\u007f', '\\u007f');
    assert.equal(
      line,
      `Received: [${shown},${shown}] (2 messages, partition 0, offsets 7-7, up to 0 ms old, full)`,
    );
  }
});

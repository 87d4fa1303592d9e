/** What is said of requests that fail, and when: here with a clock of its own, in test/integration on real brokers. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Trouble } from '../../lib/trouble/trouble';

const BROKER = 'kafka:29092';
let lines: string[];
let trouble: Trouble;

beforeEach(() => {
  lines = [];
  mock.timers.enable({ apis: ['Date', 'setInterval'], now: 1_000_000 });
  mock.method(process.stdout, 'write', (line: string) => lines.push(line.trimEnd()) > 0);
  trouble = new Trouble([BROKER], new AbortController().signal, () => Date.now());
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

function kafkaError(type: string, message = 'Kafka says so') {
  return Object.assign(new Error(message), { type });
}
const refused = Object.assign(new Error('Connection error: connect ECONNREFUSED'), {
  name: 'KafkaJSConnectionError',
  code: 'ECONNREFUSED',
});
const noAnswer = Object.assign(new Error('no answer to Produce within 10 s'), {
  name: 'KafkaJSRequestTimeoutError',
});
const closed = Object.assign(new Error('Closed connection'), { name: 'KafkaJSConnectionClosedError' });

const fail = (error: Error, request = 'Produce', broker = BROKER) => trouble.hear({ broker, request, error });
const succeed = (request: string, broker = BROKER) => trouble.hear({ broker, request });
/** The error comes again each second, for so many. */
function failFor(seconds: number, error: Error, request?: string, broker?: string): void {
  for (let second = 0; second < seconds; second++) {
    fail(error, request, broker);
    mock.timers.tick(1000);
  }
}

test('what fails for less than five seconds is not said', () => {
  failFor(4, kafkaError('NOT_ENOUGH_REPLICAS'));
  succeed('Produce');
  mock.timers.tick(60_000);
  fail(kafkaError('NOT_ENOUGH_REPLICAS'));
  assert.deepEqual(lines, []);
});

test('what fails for longer is said once a minute, in Kafka’s words and with what to do, and so is its end', () => {
  failFor(62, kafkaError('NOT_ENOUGH_REPLICAS'));
  succeed('Metadata');
  assert.equal(trouble.isStanding, true);
  succeed('Produce');
  const line =
    'Held up: NOT_ENOUGH_REPLICAS: Kafka says so; too few brokers have the partition: start the others, or lower min.insync.replicas';
  assert.deepEqual(lines, [line, 'Going on after 1 min']);
  assert.equal(trouble.isStanding, false);
  assert.equal(trouble.reason, undefined);
  failFor(66, kafkaError('NOT_ENOUGH_REPLICAS'));
  assert.deepEqual(lines.slice(2), [line, line]);
});

test('another cause is one more line', () => {
  failFor(8, kafkaError('INVALID_REPLICATION_FACTOR'), 'CreateTopics');
  failFor(8, kafkaError('POLICY_VIOLATION'), 'CreateTopics');
  failFor(8, kafkaError('INVALID_REPLICATION_FACTOR'), 'CreateTopics');
  assert.deepEqual(
    lines.map((line) => line.split(': ')[1]),
    ['INVALID_REPLICATION_FACTOR', 'POLICY_VIOLATION'],
  );
});

test('what another broker has done meanwhile holds nothing up any more, once the work is under way', () => {
  failFor(8, kafkaError('INVALID_REPLICATION_FACTOR'), 'CreateTopics');
  mock.timers.tick(3000);
  succeed('Heartbeat');
  assert.equal(lines.length, 1);
  mock.timers.tick(3000);
  succeed('Fetch');
  assert.match(lines[1] as string, /^Going on after /);
});

test('a broker that refuses its connections for a second is lost, said once, and back with its first answer', () => {
  fail(refused, 'Connect');
  mock.timers.tick(900);
  fail(refused, 'Connect');
  assert.deepEqual(lines, []);
  assert.equal(trouble.reason, 'ECONNREFUSED: connect ECONNREFUSED');
  mock.timers.tick(100);
  failFor(29, refused, 'Connect');
  assert.equal(trouble.reason, 'the broker is away');
  succeed('ApiVersions');
  assert.deepEqual(lines, [
    'Broker lost: connect ECONNREFUSED; trying again until it is back',
    'Broker back after 30.0 s',
  ]);
});

test('connections that are cut, and there again within a second, are not said', () => {
  const cut = Object.assign(new Error('Connection error: read ECONNRESET'), {
    name: 'KafkaJSConnectionError',
    code: 'ECONNRESET',
  });
  for (let cuts = 0; cuts < 60; cuts++) {
    fail(cut, 'Fetch');
    fail(cut, 'Heartbeat');
    mock.timers.tick(500);
    succeed('Heartbeat');
    succeed('Fetch');
  }
  assert.deepEqual(lines, []);
});

test('a broker that is back and keeps this client out is not away any more', () => {
  failFor(1, refused, 'Connect');
  fail(refused, 'Connect');
  const alert = Object.assign(new Error('Connection error: bad certificate'), {
    name: 'KafkaJSConnectionError',
    code: 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
  });
  failFor(7, alert, 'Connect');
  assert.deepEqual(
    lines.map((line) => line.replace(/^((Broker|Held up)[^:]*).*$/, '$1')),
    ['Broker lost', 'Broker back after 1.0 s', 'Held up'],
  );
});

test('one that is slow is not away, as long as it answers something; silent for good, it is', () => {
  succeed('Heartbeat');
  fail(noAnswer, 'Produce');
  assert.equal(trouble.isLost, false);
  mock.timers.tick(6000);
  succeed('Heartbeat');
  fail(noAnswer, 'Produce');
  assert.match(
    lines[0] as string,
    /^Held up: NO_ANSWER: no answer to Produce within 10 s; the broker is slow/,
  );
  mock.timers.tick(10_000);
  fail(noAnswer, 'Produce');
  assert.match(lines[1] as string, /^Broker lost: no answer within 10 s;/);
});

test('of several brokers, one that goes away is not "the broker"', () => {
  succeed('Fetch', 'kafka-2:29092');
  for (let second = 0; second < 10; second++) {
    succeed('Fetch');
    fail(refused, 'Connect', 'kafka-2:29092');
    mock.timers.tick(1000);
  }
  assert.deepEqual(lines, [
    'Held up: ECONNREFUSED: connect ECONNREFUSED; other brokers answer; trying again',
  ]);
});

test('of several brokers that were not asked for a while, the first that is away is not "the broker"; all of them are', () => {
  const others = ['kafka-2:29092', 'kafka-3:29092'];
  for (const broker of [BROKER, ...others]) succeed('Metadata', broker);
  mock.timers.tick(60_000);
  fail(refused, 'Produce');
  succeed('Metadata', 'kafka-2:29092');
  assert.deepEqual(lines, []);
  mock.timers.tick(60_000);
  fail(noAnswer, 'Produce');
  succeed('Metadata', 'kafka-2:29092');
  assert.deepEqual(lines, []);
  mock.timers.tick(60_000);
  for (const broker of [BROKER, ...others]) fail(refused, 'Connect', broker);
  mock.timers.tick(1000);
  for (const broker of [BROKER, ...others]) fail(refused, 'Connect', broker);
  succeed('Metadata', 'kafka-3:29092');
  assert.deepEqual(lines, [
    'Broker lost: connect ECONNREFUSED; trying again until it is back',
    'Broker back after 1.0 s',
  ]);
});

test('the last of several brokers, that answers no Produce while it waits for the others, is not "the broker lost"', () => {
  for (const broker of [BROKER, 'kafka-2:29092', 'kafka-3:29092']) succeed('Metadata', broker);
  for (let second = 0; second < 30; second++) {
    fail(refused, 'Connect', 'kafka-2:29092');
    fail(refused, 'Connect', 'kafka-3:29092');
    if (second % 10 === 9) fail(noAnswer, 'Produce');
    mock.timers.tick(1000);
  }
  assert.deepEqual(
    lines.map((line) => /^[\w ]+: \w+/.exec(line)?.[0]),
    ['Held up: ECONNREFUSED', 'Held up: NO_ANSWER'],
  );
  for (let second = 0; second < 40; second++) {
    fail(refused, 'Connect', 'kafka-2:29092');
    mock.timers.tick(1000);
  }
  assert.match(lines.at(-1) as string, /^Broker lost: /, 'after a minute without any answer');
});

test('of several brokers, one whose connection we end for want of an answer is still there: no "broker lost"', () => {
  const others = ['kafka-2:29092', 'kafka-3:29092'];
  for (const broker of [BROKER, ...others]) succeed('Metadata', broker);
  for (let second = 0; second < 4; second++) {
    for (const broker of others) fail(refused, 'Connect', broker);
    // Its heartbeat has no answer; with that, the fetch beside it is not waited for any more.
    if (second === 2) fail(noAnswer, 'Heartbeat');
    if (second === 2) fail(closed, 'Fetch');
    mock.timers.tick(1000);
  }
  assert.deepEqual(lines, []);
});

test('a broker of several that takes its time to fail is said, though the others do their work meanwhile', () => {
  succeed('Fetch', 'kafka-2:29092');
  for (let second = 0; second < 26; second++) {
    succeed('Fetch');
    if (second % 12 === 0) fail(noAnswer, 'Fetch', 'kafka-2:29092');
    mock.timers.tick(1000);
  }
  assert.deepEqual(lines.length, 1);
  assert.match(lines[0] as string, /^Held up: NO_ANSWER: /);
});

test('a name that only the broker knows is said with who was asked, and with the setting', () => {
  for (let second = 0; second < 40; second++) {
    succeed('Metadata');
    fail(refused, 'Connect', 'localhost:29092');
    mock.timers.tick(1000);
  }
  assert.deepEqual(lines, [
    "Held up: ECONNREFUSED: kafka:29092 was asked, and names localhost:29092 as the broker to talk to, which can't be reached from here (connect ECONNREFUSED); let advertised.listeners of the broker name an address that can",
  ]);
});

test('a rebalance, and a message that is refused, are no trouble', () => {
  for (const type of [
    'REBALANCE_IN_PROGRESS',
    'ILLEGAL_GENERATION',
    'UNKNOWN_MEMBER_ID',
    'MESSAGE_TOO_LARGE',
  ])
    failFor(10, kafkaError(type), 'Heartbeat');
  assert.deepEqual(lines, []);
});

test('a member without partitions goes on once another broker coordinates its group', () => {
  const [other, refused] = ['kafka-2:29092', kafkaError('ECONNREFUSED', 'connect ECONNREFUSED')];
  trouble.isIdle = true;
  trouble.hear({ broker: other, request: 'Metadata' });
  failFor(7, Object.assign(refused, { name: 'KafkaJSConnectionError' }), 'Connect');
  assert.match(lines[0] as string, /^Held up: /);
  mock.timers.tick(30_000);
  trouble.hear({ broker: other, request: 'Heartbeat' });
  assert.match(lines[1] as string, /^Going on after /);
});

test('a broker that has answered and closes its connections is not asked whether it is one', () => {
  failFor(7, closed, 'Fetch');
  assert.match(lines[0] as string, /^Held up: CONNECTION_CLOSED: .* is it a broker's port, /);
  succeed('Fetch');
  mock.timers.tick(60_000);
  failFor(7, closed, 'Fetch');
  assert.equal(lines.at(-1), `Held up: CONNECTION_CLOSED: ${BROKER} closes the connection; trying again`);
});

test('work that stands still though no request fails is said after five seconds, and goes on', () => {
  for (let second = 0; second < 7; second++) {
    succeed('Fetch');
    trouble.standing('partition 0', kafkaError('OPEN_TRANSACTION', 'offsets 5-9 wait'));
    mock.timers.tick(1000);
  }
  assert.match(lines[0] as string, /^Held up: OPEN_TRANSACTION: offsets 5-9 wait; /);
  trouble.standing('partition 0');
  assert.deepEqual(lines.slice(1), ['Going on after 7.0 s']);
});

test('a quota is said with how long Kafka has the client wait', () => {
  for (let second = 0; second < 7; second++) {
    trouble.hear({ broker: BROKER, request: 'Fetch', throttledMs: 4200 });
    mock.timers.tick(1000);
  }
  assert.match(lines[0] as string, /^Held up: THROTTLED: Kafka has this client wait 4\.2 s, .*quota/);
  succeed('Fetch');
  assert.match(lines[1] as string, /^Going on after 7\.0 s$/);
});

test('a wait for other members is said after five seconds, if nothing else is the reason', async () => {
  let joined = () => {};
  const join = trouble.during(
    'REBALANCE_IN_PROGRESS',
    'the group waits',
    new Promise<void>((resolve) => (joined = resolve)),
  );
  mock.timers.tick(5000);
  mock.timers.tick(5000);
  joined();
  await join;
  assert.deepEqual(lines, [
    'Held up: REBALANCE_IN_PROGRESS: the group waits; trying again',
    'Going on after 10.0 s',
  ]);
});

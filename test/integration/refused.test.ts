/** A message that the broker does not take is said, in one line; what it would take is sent all the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { range, sent, timesOf } from '../../harness/log';
import { type Recorded, startService, until } from '../../harness/service';
import { useKafka } from '../support/kafka';

const kafka = useKafka();

const start = (topic: string, settings: Record<string, string> = {}) =>
  startService('kafka-producer', { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, ...settings });

const REFUSED = /^Refused: (\{"current_time":"[^"]*"\}) \(partition 0, ([A-Z_]+): .+\)$/;
const refused = (lines: readonly string[]) => lines.filter((line) => REFUSED.test(line));
const causes = (lines: readonly string[]) => [...new Set(lines.map((line) => REFUSED.exec(line)?.[2]))];
const others = ({ lines }: Recorded) => lines.filter((line) => !REFUSED.test(line) && !/^Sent: /.test(line));

/** A broker that is back may take over 5 s more to know its topics again, where the machine is busy. */
const COMES_BACK_SLOWLY =
  /^(Held up: (UNKNOWN_TOPIC_OR_PARTITION|LEADER_NOT_AVAILABLE|NOT_LEADER_FOR_PARTITION)|Going on)/;

/** The seconds of the messages, in the order of the lines. */
const seconds = (lines: readonly string[]) => lines.flatMap(timesOf).map((time) => time / 1000);

/** Kafka counts 61 bytes of the record batch and 45 of the message. */
const TAKES_NONE = { 'max.message.bytes': '100' };
const TAKES_ONE = { 'max.message.bytes': '120' };

test('each message that is too large for the topic is said, and once the topic takes them, they are sent', async () => {
  const topic = await kafka.createTopic(1, TAKES_NONE);
  const producer = start(topic, { SEND_INTERVAL_MS: '100' });
  // Long enough for whatever is said of what stays.
  await producer.shows('6 s of refused messages', (lines) => refused(lines).length >= 60);
  await kafka.alterTopic(topic, {});
  await producer.shows('messages', (lines) => sent(lines).length >= 10);
  assert.equal(await producer.stop(), 0);
  assert.deepEqual(causes(refused(producer.lines)), ['MESSAGE_TOO_LARGE']);
  assert.match(refused(producer.lines)[0] as string, /raise that, or send less/);
  const all = producer.lines.filter((line) => /^(Sent|Refused)/.test(line));
  assert.deepEqual(seconds(all), seconds(all).sort(), 'in the order of the ticks');
  assert.deepEqual(
    sent(producer.lines).map(({ offset }) => offset),
    range(0, sent(producer.lines).length),
  );
  assert.deepEqual(others(producer), []);
  assert.deepEqual(producer.errors, []);
});

test('a message without a key is refused by a compacted topic, and sent once it is none', async () => {
  const topic = await kafka.createTopic(1, { 'cleanup.policy': 'compact' });
  const producer = start(topic, { SEND_INTERVAL_MS: '200' });
  await producer.shows('refused messages', (lines) => refused(lines).length >= 5);
  await kafka.alterTopic(topic, { 'cleanup.policy': 'delete' });
  await producer.shows('messages', (lines) => sent(lines).length >= 5);
  assert.equal(await producer.stop(), 0);
  assert.deepEqual(causes(refused(producer.lines)), ['INVALID_RECORD']);
  assert.match(refused(producer.lines)[0] as string, /compacted topic takes none without a key/);
  assert.deepEqual(others(producer), []);
});

test('of the messages that waited for the broker, only those are refused that it means: the others are sent', async () => {
  const young = await kafka.createTopic(1, { 'message.timestamp.before.max.ms': '4000' });
  const small = await kafka.createTopic(1, TAKES_ONE);
  const short = await kafka.createTopic(1, { 'segment.bytes': '1000' });
  const settings = { SEND_INTERVAL_MS: '250' };
  const [late, many, long] = [start(young, settings), start(small, settings), start(short, settings)];
  const topics = new Map([
    [late, young],
    [many, small],
    [long, short],
  ]);
  for (const producer of topics.keys()) await producer.shows('a message', (lines) => sent(lines).length >= 1);
  // What is under way when the broker goes may be there, and comes again: that is another test's.
  for (const { child } of topics.keys()) child.kill('SIGSTOP');
  await kafka.broker.stopKafka();
  for (const { child } of topics.keys()) child.kill('SIGCONT');
  for (const producer of topics.keys())
    await producer.line('the loss', (line) => line.startsWith('Broker lost: '));
  const lost = Date.now();
  await until('messages that are too old', () => Date.now() - lost > 4500);
  await kafka.broker.startKafka();
  const back = new Map([...topics.keys()].map((producer) => [producer, sent(producer.lines).length]));
  for (const [producer, topic] of topics) {
    // More than can have waited.
    const from = back.get(producer) as number;
    await producer.shows('the rest', (lines) => sent(lines).length >= from + 60);
    assert.equal(await producer.stop(), 0);
    assert.deepEqual(
      others(producer)
        .filter((line) => !COMES_BACK_SLOWLY.test(line))
        .map((line) => line.split(' ').slice(0, 2).join(' ')),
      ['Broker lost:', 'Broker back'],
      others(producer).join('\n'),
    );
    const written = await kafka.read(topic);
    assert.deepEqual(
      sent(producer.lines).map(({ value }) => value),
      written.map(({ value }) => value),
    );
    const all = seconds(producer.lines);
    assert.deepEqual(all, [...all].sort(), 'in the order of the ticks');
    // Four ticks a second, but for the first and the last one.
    const within = all.filter((second) => second !== all[0] && second !== all.at(-1));
    assert.equal(within.length, 4 * new Set(within).size, `each tick is told of once: ${all.join()}`);
    assert.equal(new Set(within).size, (within.at(-1) as number) - (within[0] as number) + 1);
  }
  assert.deepEqual(causes(refused(late.lines)), ['INVALID_TIMESTAMP']);
  assert.ok(refused(late.lines).length >= 8, `${refused(late.lines).length} refused`);
  // One request had them all: it was taken apart until each came by itself.
  for (const { lines } of [many, long]) assert.deepEqual(refused(lines), []);
});

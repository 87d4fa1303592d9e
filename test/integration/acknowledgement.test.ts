/** The broker has written a message, and its acknowledgement is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { range, sent } from '../../harness/log';
import { startService, until } from '../../harness/service';
import { messages, useKafka } from '../support/kafka';
import type { CuttingProxy } from '../support/proxy';

const kafka = useKafka({ proxied: true });

for (const partitions of [1, 4]) {
  test(`with ${partitions} partition${partitions > 1 ? 's' : ''}, the message is there once, and in order`, async () => {
    const topic = await kafka.createTopic(partitions);
    const producer = startService('kafka-producer', {
      KAFKA_BROKERS: kafka.broker.brokers,
      KAFKA_TOPIC: topic,
      SEND_INTERVAL_MS: '20',
    });
    await producer.shows('20 messages', (lines) => sent(lines).length >= 20);
    const proxy = kafka.proxy as CuttingProxy;
    proxy.cutAcknowledgements(6);
    await until('the cuts', () => proxy.cutsLeft === 0);
    const before = sent(producer.lines).length;
    await producer.shows('20 more', (lines) => sent(lines).length >= before + 20);
    assert.equal(await producer.stop(), 0);
    const printed = sent(producer.lines).map(({ value, partition, offset }) => ({
      partition,
      offset,
      value,
    }));
    const written = await kafka.read(topic);
    printed.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
    assert.deepEqual(printed, written);
  });
}

test('where it is refused when it comes again, that is said, and the next one is not taken for it', async () => {
  const [topic, other] = [await kafka.createTopic(), await kafka.createTopic()];
  const settings = { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, SEND_INTERVAL_MS: '5000' };
  const producer = startService('kafka-producer', settings);
  const proxy = kafka.proxy as CuttingProxy;
  await producer.shows('a message', (lines) => sent(lines).length === 1);
  proxy.cutAcknowledgements(Number.POSITIVE_INFINITY);
  await until('a message whose acknowledgement is lost', async () => (await kafka.read(topic)).length === 2);
  for (const one of [topic, other]) await kafka.alterTopic(one, { 'max.message.bytes': '50' });
  // The broker hears of changes one after the other, and of these a while later.
  const write = () =>
    kafka.write(other, messages(0, 1)).then(
      () => false,
      () => true,
    );
  await until('the changes', write);
  proxy.cutAcknowledgements(0);
  const line = await producer.line('the refusal', (line) => line.startsWith('Refused: '));
  assert.match(line, /MESSAGE_TOO_LARGE: .*; sent before, it may be there\)$/);
  await kafka.alterTopic(topic, {});
  // Those that were made before the broker heard of that are refused, too; they were not sent before.
  await producer.shows('two more', (lines) => sent(lines).length >= 3);
  assert.equal(await producer.stop(), 0);
  const [first, ...later] = producer.lines.filter((one) => one.startsWith('Refused: '));
  assert.equal(first, line);
  assert.ok(
    later.every((one) => one.endsWith('send less)')),
    later.join('\n'),
  );
  const written = await kafka.read(topic);
  assert.deepEqual(
    written.map(({ offset }) => offset),
    range(0, sent(producer.lines).length + 1),
  );
  assert.deepEqual(
    sent(producer.lines).map(({ value, offset }) => [value, offset]),
    written.filter(({ offset }) => offset !== 1).map(({ value, offset }) => [value, offset]),
  );
  assert.ok(!producer.lines.some((one) => one.startsWith('New producer id')));
});

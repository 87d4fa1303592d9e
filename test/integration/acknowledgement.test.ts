/** The broker has written a message, and its acknowledgement is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sent } from '../../harness/log';
import { startService, until } from '../../harness/service';
import { useKafka } from '../support/kafka';
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

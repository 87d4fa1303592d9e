/** What of the mended kafkajs shows in nothing that is received: that it rests, and that it begins at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { range } from '../../harness/log';
import { startService } from '../../harness/service';
import { Kafka } from '../../lib/mend';
import { messages, useKafka } from '../support/kafka';

const kafka = useKafka();

test('a connection without requests lets the process rest', async () => {
  const { setTimeout, setInterval } = globalThis;
  let calls = 0;
  const counted =
    (start: (call: () => void, ms?: number) => NodeJS.Timeout) => (call: () => void, ms?: number) =>
      start(() => {
        calls++;
        call();
      }, ms);
  Object.assign(globalThis, { setTimeout: counted(setTimeout), setInterval: counted(setInterval) });
  const admin = new Kafka({ brokers: [kafka.broker.brokers], logCreator: () => () => {} }).admin();
  try {
    await admin.connect();
    await admin.listTopics();
    calls = 0;
    await sleep(3000);
    assert.ok(calls <= 8, `${calls} timers went off in 3 s`);
  } finally {
    Object.assign(globalThis, { setTimeout, setInterval });
    await admin.disconnect();
  }
});

test('a consumer that is stopped while others are to be fetched from does not spin', async () => {
  const createFetchManager = require('kafkajs/src/consumer/fetchManager');
  const { prototype } = require('kafkajs/src/consumer/runner');
  const logger = { namespace: () => logger, debug: () => undefined, info: () => undefined };
  const stopped = { running: false, logger, consumerGroup: { groupId: 'of nobody', memberId: '' } };
  let fetches = 0;
  const manager = createFetchManager({
    logger,
    getNodeIds: () => [1],
    fetch: (nodeId: number) => {
      // Without the mending nothing else ever gets its turn, the test runner's own time-out neither.
      if (++fetches > 100) throw new Error('It spins');
      return prototype.fetch.call(stopped, nodeId);
    },
    handler: async () => undefined,
  });
  await assert.rejects(manager.start(), /The consumer is stopped/);
});

test('the first message follows the Starting line at once', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 1));
  const waits: number[] = [];
  for (const _ of range(0, 5)) {
    const oldest = startService('consumer_from_oldest', {
      KAFKA_BROKERS: kafka.broker.brokers,
      KAFKA_TOPIC: topic,
    });
    await oldest.line('the start', (line) => line.startsWith('Starting'));
    const started = Date.now();
    await oldest.line('the message', (line) => line.startsWith('Received'));
    waits.push(Date.now() - started);
    await oldest.stop();
  }
  const median = waits.sort((a, b) => a - b)[2] as number;
  // A consumer of kafkajs that was paused sleeps for 500 ms first.
  assert.ok(median < 250, `after ${waits.join(', ')} ms`);
});

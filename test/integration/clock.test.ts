/** The system clock may jump: a virtual machine that is resumed, a correction. Nothing but the time in the lines may. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { offsets, range, sent, starts } from '../../harness/log';
import { type ServiceName, startService } from '../../harness/service';
import { useSharedKafka } from '../support/kafka';
import { sideBySide } from '../support/side_by_side';

const HOUR_MS = 3_600_000;
const CLOCK = join(__dirname, '..', 'support', 'jumping_clock.ts');
/** Longer than a member may be silent (10 s), at two messages a second. */
const ENOUGH = 25;

const kafka = useSharedKafka();

test('a clock that steps on or back by an hour costs no membership, no message and no line', async () => {
  await sideBySide([HOUR_MS, -HOUR_MS], async (jumpMs) => {
    const topic = await kafka.createTopic();
    const start = (name: ServiceName) =>
      startService(name, {
        KAFKA_BROKERS: kafka.broker.brokers,
        KAFKA_TOPIC: topic,
        GROUP_ID: randomUUID(),
        SEND_INTERVAL_MS: '500',
        BATCH_SIZE: '2',
        NODE_OPTIONS: `-r ./compiled -r ${CLOCK}`,
        CLOCK_JUMP_MS: String(jumpMs),
      });
    const producer = start('kafka-producer');
    const consumers = [start('consumer_from_oldest'), start('consumer_batch_message')];
    for (const consumer of consumers) await consumer.shows('work', (lines) => offsets(lines).length > 0);
    for (const { child } of [producer, ...consumers]) child.kill('SIGWINCH');
    const before = sent(producer.lines).length;
    await producer.shows('what comes after the jump', (lines) => sent(lines).length >= before + ENOUGH);
    assert.equal(await producer.stop(), 0);
    const all = sent(producer.lines).length;
    assert.deepEqual(
      sent(producer.lines).map(({ offset }) => offset),
      range(0, all),
    );
    for (const consumer of consumers) {
      await consumer.shows('the rest', (lines) => offsets(lines).length >= all - 1);
      assert.equal(await consumer.stop(), 0);
      const got = offsets(consumer.lines);
      assert.deepEqual(got, range(0, got.length), 'each once, in order');
      assert.equal(starts(consumer.lines).length, 1, 'it has stayed in its group');
      const others = consumer.lines.filter((line) => !/^(Starting|Received|Handed|Stopped|Topic)/.test(line));
      assert.deepEqual(others, []);
      assert.deepEqual(consumer.errors, []);
    }
  });
});

/** The services as processes: their exit codes, and the lines that they end with. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { offsets, range, sent } from '../../harness/log';
import { killServices, type ServiceName, startService, until } from '../../harness/service';
import { freePort } from '../../local/broker';
import { messages, useSharedKafka } from '../support/kafka';
import { sideBySide } from '../support/side_by_side';

const SERVICES = [
  'kafka-producer',
  'consumer_from_oldest',
  'consumer_from_newest',
  'consumer_batch_message',
] as const satisfies ServiceName[];

const kafka = useSharedKafka();

test('bad settings end each service with exit code 1 and one line for each', async () => {
  await sideBySide(SERVICES, async (name) => {
    const bad: Record<string, string> = { KAFKA_BROKERS: 'nowhere', TOPIC_PARTITIONS: '0', KAFKA_TOPIC: '' };
    const lines = [
      'KAFKA_BROKERS is "nowhere": a comma-separated list of host:port is needed; change it, or leave it out for the default',
      'KAFKA_TOPIC is set but empty: a topic name is needed, of 1 to 249 letters, digits, ".", "_" and "-", and not "." or ".."; change it, or leave it out for the default',
      'TOPIC_PARTITIONS is "0": a whole number from 1 to 1000 is needed; change it, or leave it out for the default',
    ];
    const service = startService(name, bad);
    assert.equal((await service.exit).code, 1);
    assert.deepEqual(service.errors, lines);
    assert.deepEqual(service.lines, []);
  });
});

test('SIGTERM and SIGINT end each service with exit code 0', async () => {
  await sideBySide(['SIGTERM', 'SIGINT'] as const, async (signal) => {
    const topic = await kafka.createTopic();
    await kafka.write(topic, messages(0, 1));
    const settings = {
      KAFKA_BROKERS: kafka.broker.brokers,
      KAFKA_TOPIC: topic,
      AUTO_OFFSET_RESET: 'earliest',
    };
    const services = SERVICES.map((name) => startService(name, { ...settings, BATCH_SIZE: '1' }));
    for (const service of services) {
      await service.shows('work', (lines) => offsets(lines).length + sent(lines).length > 0);
      assert.equal(await service.stop(signal), 0);
      assert.deepEqual(service.errors, []);
    }
  });
});

test('stopped while it connects, each service ends with exit code 0', async () => {
  const nobody = await freePort();
  await sideBySide(SERVICES, async (name) => {
    const service = startService(name, { KAFKA_BROKERS: `localhost:${nobody}` });
    await service.line('the missing broker', (line) => line.startsWith('Broker lost: '));
    assert.equal(await service.stop(), 0);
    assert.equal(service.lines.length, 1);
    assert.deepEqual(service.errors, []);
  });
});

test('a message in hand is handled and committed before the end', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 5));
  const groupId = 'in-hand';
  const settings = { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, GROUP_ID: groupId };
  const oldest = startService('consumer_from_oldest', { ...settings, HANDLER_DELAY_MS: '5000' });
  await oldest.shows('the first message', (lines) => offsets(lines).length === 1);
  assert.equal(await oldest.stop(), 0);
  assert.deepEqual(offsets(oldest.lines), [0]);
  assert.equal(await kafka.committed(groupId, topic), 1);
});

test('a handler that fails ends its service with exit code 1 and one line, and its message is not committed', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 20));
  await sideBySide(
    [
      ['consumer_from_oldest', 'offset 7', 7],
      ['consumer_batch_message', 'offsets 5-9', 5],
    ] as const,
    async ([name, where, committed]) => {
      const settings = {
        KAFKA_BROKERS: kafka.broker.brokers,
        KAFKA_TOPIC: topic,
        GROUP_ID: `failing-${name}`,
      };
      const failing = startService(name, { ...settings, HANDLER_FAILS_AT: '7' });
      assert.equal((await failing.exit).code, 1);
      assert.deepEqual(failing.errors, [
        `The handler failed (partition 0, ${where}): Error: HANDLER_FAILS_AT is 7; what it was given comes again at the next start`,
      ]);
      assert.equal(
        await kafka.committed(settings.GROUP_ID, topic),
        committed,
        'what was handled is committed',
      );
    },
  );
});

test('what goes wrong once a message is acknowledged ends the producer with exit code 1, and it is not sent again', async () => {
  const topic = await kafka.createTopic();
  const producer = startService('kafka-producer', {
    KAFKA_BROKERS: kafka.broker.brokers,
    KAFKA_TOPIC: topic,
    SEND_INTERVAL_MS: '100',
    HEALTH_FILE: '/no/such/folder/healthy',
  });
  assert.equal((await producer.exit).code, 1);
  assert.equal(producer.errors.length, 1);
  assert.match(producer.errors[0] as string, /ENOENT.*\/no\/such\/folder\/healthy/);
  assert.equal(sent(producer.lines).length, 5);
  // On a busy machine there are more than one in a request.
  const stored = (await kafka.read(topic)).length;
  assert.ok(stored >= 5 && stored < 10, `${stored} are in the topic`);
});

test('stopped in the moment of joining, each consumer ends with exit code 0 and leaves no group behind', async () => {
  const topic = await kafka.createTopic();
  await sideBySide(SERVICES.slice(1), async (name) => {
    const groupId = `joining-${name}`;
    const settings = { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, GROUP_ID: groupId };
    const service = startService(name, settings);
    await until('a member', async () => {
      const { groups } = await kafka.admin.describeGroups([groupId]);
      return !['Dead', 'Empty'].includes(groups[0]?.state ?? 'Dead');
    });
    assert.equal(await service.stop(), 0);
    const { groups } = await kafka.admin.describeGroups([groupId]);
    assert.equal(groups[0]?.members.length, 0, name);
  });
});

test('stopped at any moment of its start, a consumer has either not begun or ends with exit code 0, and leaves the group', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 5));
  const groupId = 'starting';
  const settings = { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, GROUP_ID: groupId };
  const begin = Date.now();
  const whole = startService('consumer_from_oldest', settings);
  await whole.line('its first line', () => true);
  const took = Date.now() - begin;
  assert.equal(await whole.stop(), 0);
  for (const moment of range(0, 8).map((n) => (n * took) / 7)) {
    const oldest = startService('consumer_from_oldest', settings);
    const started = Date.now();
    await until('the moment', () => Date.now() - started >= moment);
    const code = await oldest.stop();
    // Before Node runs our code there is nobody to take the signal, and nothing in hand.
    if ((await oldest.exit).signal === 'SIGTERM') assert.deepEqual(oldest.lines, []);
    else assert.equal(code, 0, `after ${moment} ms`);
    assert.deepEqual(oldest.errors, []);
    const { groups } = await kafka.admin.describeGroups([groupId]);
    assert.equal(groups[0]?.members.length, 0, `after ${moment} ms`);
  }
});

test('a second signal ends a service at once; what was not committed comes again', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 5));
  const settings = { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, GROUP_ID: 'second-signal' };
  const batch = startService('consumer_batch_message', { ...settings, HANDLER_DELAY_MS: '600000' });
  await batch.shows('a batch', (lines) => offsets(lines).length === 5);
  await until('the end', () => {
    // Two at once may be taken for one.
    batch.child.kill('SIGTERM');
    return batch.child.exitCode !== null;
  });
  assert.equal((await batch.exit).code, 1);
  assert.deepEqual(batch.errors, [], 'nothing of 10 s');
  assert.equal(await kafka.committed('second-signal', topic), 0);
});

test('a stop that takes longer than 10 s ends with exit code 1 and one line', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 5));
  const settings = { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, GROUP_ID: 'too-slow' };
  const batch = startService('consumer_batch_message', { ...settings, HANDLER_DELAY_MS: '600000' });
  await batch.shows('a batch', (lines) => offsets(lines).length === 5);
  assert.equal(await batch.stop(), 1);
  assert.deepEqual(batch.errors, ['Stopping took longer than 10 s: what was not committed comes again']);
});

after(killServices);

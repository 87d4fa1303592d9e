/** Over a network that cuts connections in the middle, or forgets them, nothing is lost, and nobody gives up. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { offsets, range, received, sent } from '../../harness/log';
import { type Recorded, type ServiceName, startService, until } from '../../harness/service';
import { Chaos, chaosSeed } from '../support/chaos';
import { messages } from '../support/kafka';
import { pace } from '../support/pace';
import { type Listener, plain, SUPER_USER, useSecureKafka } from '../support/secure';

const SCRAM_PASSWORD = 'scr4m-S3NTINEL';

/** Each service comes by a way of its own, so that one's connections do not change what becomes of another's. */
const WAYS: [ServiceName, Listener, Record<string, string>?][] = [
  [
    'kafka-producer',
    'login',
    { ...plain(SUPER_USER), KAFKA_SASL_PASSWORD: SCRAM_PASSWORD, KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512' },
  ],
  ['consumer_from_oldest', 'bare', plain(SUPER_USER)],
  ['consumer_from_newest', 'tls'],
  ['consumer_batch_message', 'chained'],
];

const kafka = useSecureKafka({ proxied: WAYS.map(([, listener]) => listener) });

const wayTo = (listener: Listener) => ({
  host: 'localhost',
  port: kafka.advertisedPort(listener),
  target: { host: '127.0.0.1', port: kafka.port(listener) },
});

/** The services at work, with TLS and logins, each behind its own proxy. */
interface Work {
  producer: Recorded;
  consumers: Recorded[];
  services: Recorded[];
  network: Chaos[];
}

async function startWork(t: TestContext, silent: number): Promise<Work> {
  const seed = chaosSeed();
  t.diagnostic(`to play it again: CHAOS_SEED=${seed}`);
  await kafka.setPassword(SUPER_USER, SCRAM_PASSWORD);
  const topic = await kafka.createTopic();
  const network = await Promise.all(
    WAYS.map(([, listener], index) => Chaos.start(wayTo(listener), seed + index, silent)),
  );
  t.after(() => Promise.all(network.map((one) => one.stop())));
  const services = WAYS.map(([name, listener, login]) =>
    startService(name, {
      ...kafka.settings(listener, login),
      KAFKA_TOPIC: topic,
      GROUP_ID: `${topic}-${name}`,
      AUTO_OFFSET_RESET: 'earliest',
      SEND_INTERVAL_MS: '20',
      BATCH_SIZE: '50',
      BATCH_WAIT_MS: '100',
    }),
  );
  const [producer, ...consumers] = services as [Recorded, ...Recorded[]];
  for (const consumer of consumers) await consumer.shows('messages', (lines) => offsets(lines).length >= 10);
  return { producer, consumers, services, network };
}

/** All that was ticked is there once; of each group, all is handled, in order; nobody has ended before. */
async function assertNothingLost({ producer, consumers, network }: Work, repeats: number): Promise<void> {
  for (const one of network) one.calm();
  const before = sent(producer.lines).length;
  await producer.shows('more', (lines) => sent(lines).length >= before + 50);
  assert.equal(await producer.stop(), 0);
  assert.doesNotMatch(producer.lines.at(-1) as string, /^Stopped with/);
  const total = sent(producer.lines).length;
  assert.deepEqual(
    sent(producer.lines).map(({ offset }) => offset),
    range(0, total),
  );
  for (const consumer of consumers) {
    await consumer.shows('the last message', (lines) => offsets(lines).includes(total - 1));
    assert.equal(await consumer.stop(), 0);
    const handled = offsets(consumer.lines);
    assert.deepEqual([...new Set(handled)], range(0, total), 'nothing lost, nothing out of order');
    assert.ok(handled.length - total <= repeats, `${handled.length - total} handled again`);
  }
}

test('connections that are cut in the middle of a request or an answer cost time, and no message', async (t) => {
  const work = await startWork(t, 0);
  for (const one of work.network) one.rage();
  await until('each service cut off ten times', () => {
    const ended = work.services.find(({ child }) => child.exitCode !== null);
    assert.ok(!ended, `a service has ended: ${ended?.errors.join('\n')}`);
    return work.network.every(({ endings }) => endings >= 10);
  });
  await assertNothingLost(work, 100);
});

test('a join that falls silent while it waits for the other members is made anew', async (t) => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 5));
  const settings = { KAFKA_TOPIC: topic, GROUP_ID: topic };
  const holding = { ...settings, KAFKA_BROKERS: kafka.broker.brokers, HANDLER_DELAY_MS: '120000' };
  const first = startService('consumer_from_oldest', holding);
  await first.shows('a message in hand', (lines) => received(lines).length > 0);

  const network = await Chaos.start(wayTo('bare'), chaosSeed(), 1);
  t.after(() => network.stop());
  const second = startService('consumer_from_oldest', {
    ...settings,
    ...kafka.settings('bare', plain(SUPER_USER)),
  });
  await until('its join', async () => {
    const { groups } = await kafka.admin.describeGroups([topic]);
    return groups[0]?.members.length === 2;
  });
  const silentAt = performance.now();
  network.silenceAll();
  first.child.kill('SIGKILL');
  await second.shows('all', (lines) => offsets(lines).length === 5);
  const took = performance.now() - silentAt;
  assert.equal(await second.stop(), 0);
  // The first is given up after 10 s; only then the join is due.
  assert.ok(took < 10_000 + 15_000 * (await pace()), `${took} ms`);
});

test('connections that fall silent for good are given up: all goes on within 15 s', async (t) => {
  const work = await startWork(t, 1);
  const silentAt = Date.now();
  for (const one of work.network) one.silenceAll();
  const goesOn = async ({ lines }: Recorded, kind: string) => {
    const before = lines.length;
    await until(`${kind} after the silence`, () => lines.slice(before).some((line) => line.startsWith(kind)));
    return Date.now() - silentAt;
  };
  // A request waits for 10 s before its connection is given up; only then there is something to do.
  const slow = sleep(10_000).then(pace);
  // What was on its way is there at once: only once the producer goes on does a line of a consumer tell that it does.
  const took = [await goesOn(work.producer, 'Sent: ')];
  took.push(...(await Promise.all(work.consumers.map((one) => goesOn(one, 'Received: ')))));
  await assertNothingLost(work, 100);
  assert.ok(Math.max(...took) < 10_000 + 5000 * (await slow), `${took.join(', ')} ms`);
});

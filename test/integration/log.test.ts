/** What a log may hold, or no longer hold, that is not a message: it is said where messages are gone, and never waited at. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { offsets, range, received } from '../../harness/log';
import { type Recorded, type ServiceName, startService, until } from '../../harness/service';
import fixtures from '../fixtures/records.json';
import { messages, useKafka } from '../support/kafka';
import { produce } from '../support/produce';
import { encode } from '../support/records';
import { sideBySide } from '../support/side_by_side';
import { kafkaTool } from '../support/tools';

const kafka = useKafka({ proxied: true, properties: { 'log.cleaner.backoff.ms': 200 } });

const CONSUMERS = ['consumer_from_oldest', 'consumer_from_newest', 'consumer_batch_message'] as const;

const start = (name: ServiceName, topic: string, settings: Record<string, string> = {}) =>
  startService(name, { KAFKA_BROKERS: kafka.broker.brokers, KAFKA_TOPIC: topic, ...settings });

/** All but what was received. */
const said = ({ lines }: Recorded) => lines.filter((line) => !line.startsWith('Received: '));

const highWatermark = async (topic: string) => Number((await kafka.admin.fetchTopicOffsets(topic))[0]?.high);

/** Waits until the group has committed up to the log's end. */
const isDone = (groupId: string, topic: string) =>
  until('lag 0', async () => (await kafka.committed(groupId, topic)) === (await highWatermark(topic)));

/** The lag of the group's one partition, as kafka-consumer-groups tells it. */
async function lagOf(groupId: string, topic: string): Promise<string | undefined> {
  const table = await kafkaTool(
    'kafka-consumer-groups',
    kafka.broker.brokers,
    '--describe',
    '--group',
    groupId,
  );
  return table
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .find(([group, of]) => group === groupId && of === topic)?.[5];
}

describe('records that were deleted', () => {
  async function deleteBefore(topic: string, offset: number): Promise<void> {
    // Without having asked for it, kafkajs does not know who leads the partition.
    await kafka.admin.fetchTopicOffsets(topic);
    await kafka.admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
  }

  test('while the group was away are said, and what is left is read or skipped as AUTO_OFFSET_RESET has it', async () => {
    await sideBySide(CONSUMERS, async (name) => {
      const topic = await kafka.createTopic();
      const settings = { GROUP_ID: randomUUID(), BATCH_WAIT_MS: '200' };
      const first = start(name, topic, settings);
      await first.line('the start', (line) => line.startsWith('Starting'));
      await kafka.write(topic, messages(0, 20));
      await first.shows('20 messages', (lines) => offsets(lines).length >= 20);
      assert.equal(await first.stop(), 0);
      await kafka.write(topic, messages(20, 100));
      await deleteBefore(topic, 70);
      const second = start(name, topic, settings);
      await second.line('the start', (line) => line.startsWith('Starting'));
      await kafka.write(topic, messages(100, 110));
      await second.shows('what comes after', (lines) => offsets(lines).includes(109));
      assert.equal(await second.stop(), 0);
      const [at, reset] = name === 'consumer_from_newest' ? [100, 'latest'] : [70, 'earliest'];
      assert.deepEqual(offsets(second.lines), range(at, 110));
      assert.deepEqual(said(second).slice(-2), [
        'Gone: offsets 20-69 (partition 0): deleted before they were read',
        `Starting at offset ${at} (${reset}, partition 0)`,
      ]);
      assert.deepEqual(second.errors, []);
    });
  });

  test('while a consumer lagged behind are said: it has handled all before and all after them', async () => {
    const delays = [
      ['consumer_from_oldest', 20],
      ['consumer_batch_message', 100],
    ] as const;
    await sideBySide(delays, async ([name, handlerDelay]) => {
      const topic = await kafka.createTopic();
      // More than one fetch brings.
      const values = messages(0, 600).map((value) => value.replace('}', `,"pad":"${'x'.repeat(5000)}"}`));
      for (const from of range(0, 6)) await kafka.write(topic, values.slice(from * 100, from * 100 + 100));
      const consumer = start(name, topic, { HANDLER_DELAY_MS: String(handlerDelay) });
      await consumer.shows('some', (lines) => offsets(lines).length >= 10);
      await deleteBefore(topic, 500);
      await consumer.shows('all', (lines) => offsets(lines).includes(599));
      assert.equal(await consumer.stop(), 0);
      const first = Number(/^Gone: offsets (\d+)-/.exec(said(consumer)[1] as string)?.[1]);
      assert.deepEqual(said(consumer), [
        'Starting at offset 0 (earliest, partition 0)',
        `Gone: offsets ${first}-499 (partition 0): deleted before they were read`,
        'Starting at offset 500 (earliest, partition 0)',
      ]);
      assert.deepEqual(offsets(consumer.lines), [...range(0, first), ...range(500, 600)]);
    });
  });

  test('while a consumer stood still are said, and a batch in the making is handled first', async () => {
    await sideBySide(CONSUMERS, async (name) => {
      const topic = await kafka.createTopic();
      const groupId = randomUUID();
      const consumer = start(name, topic, {
        GROUP_ID: groupId,
        AUTO_OFFSET_RESET: 'earliest',
        BATCH_SIZE: '40',
        BATCH_WAIT_MS: '600000',
      });
      await consumer.line('the start', (line) => line.startsWith('Starting'));
      // Of two batches, the second stays in the making.
      await kafka.write(topic, messages(0, 50));
      await consumer.shows('a batch, or all', (lines) => offsets(lines).length >= 40);
      consumer.child.kill('SIGSTOP');
      // The fetch that is under way brings the first of them, the next one nothing.
      for (const from of range(5, 10)) await kafka.write(topic, messages(from * 10, from * 10 + 10));
      await deleteBefore(topic, 95);
      consumer.child.kill('SIGCONT');
      const gone = await consumer.line('what is gone', (line) => line.startsWith('Gone: '));
      const first = Number(/^Gone: offsets (\d+)-94 \(/.exec(gone)?.[1]);
      assert.ok(first >= 50 && first <= 90, gone);
      await kafka.write(topic, messages(100, 140));
      await consumer.shows('what is left', (lines) => offsets(lines).includes(134));
      assert.equal(await consumer.stop(), 0);
      assert.deepEqual(offsets(consumer.lines), [...range(0, first), ...range(95, 140)]);
      assert.equal(await kafka.committed(groupId, topic), 140);
    });
  });

  for (const [reset, at] of [
    ['earliest', 0],
    ['latest', 10],
  ] as const)
    test(`a committed offset beyond the log's end is said, and ${reset} holds`, async () => {
      await sideBySide(['consumer_from_oldest', 'consumer_batch_message'] as const, async (name) => {
        const topic = await kafka.createTopic();
        const groupId = randomUUID();
        await kafka.write(topic, messages(0, 10));
        await kafka.admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '50' }] });
        const settings = { GROUP_ID: groupId, AUTO_OFFSET_RESET: reset, BATCH_SIZE: '5' };
        const consumer = start(name, topic, settings);
        await consumer.line('the start', (line) => line.startsWith('Starting'));
        await kafka.write(topic, messages(10, 20));
        await consumer.shows('all', (lines) => offsets(lines).includes(19));
        assert.equal(await consumer.stop(), 0);
        assert.deepEqual(said(consumer).slice(-2), [
          `Gone: offset 50, committed by group ${groupId} (partition 0): the log ends at 10, it is another one or was cut off`,
          `Starting at offset ${at} (${reset}, partition 0)`,
        ]);
        assert.deepEqual(offsets(consumer.lines), range(at, 20));
        assert.equal(await kafka.committed(groupId, topic), 20);
      });
    });
});

describe('transactions', () => {
  async function transact(topic: string, values: string[], end: 'commit' | 'abort'): Promise<void> {
    const producer = kafka.client.producer({
      transactionalId: randomUUID(),
      idempotent: true,
      maxInFlightRequests: 1,
    });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: values.map((value) => ({ value, partition: 0 })) });
    await transaction[end]();
    await producer.disconnect();
  }

  /** What the log ends with, by name. */
  const ENDS = {
    'a committed transaction': async (topic: string) => {
      await kafka.write(topic, messages(0, 5));
      await transact(topic, messages(5, 15), 'commit');
    },
    'an aborted transaction': async (topic: string) => {
      await kafka.write(topic, messages(0, 2));
      await transact(topic, messages(100, 110), 'abort');
      await transact(topic, messages(2, 7), 'commit');
      await kafka.write(topic, messages(7, 15));
      await transact(topic, messages(200, 400), 'abort');
    },
    'nothing but an aborted transaction': async (topic: string) => {
      await transact(topic, messages(200, 210), 'abort');
    },
  };

  for (const [what, write] of Object.entries(ENDS))
    test(`a group that has handled a log that ends with ${what} has a lag of 0`, async () => {
      const topic = await kafka.createTopic();
      await write(topic);
      const delivered = what.startsWith('nothing') ? 0 : 15;
      const services = (
        [
          ['consumer_from_oldest', {}],
          ['consumer_batch_message', { BATCH_SIZE: '5' }],
          ['consumer_batch_message', { BATCH_SIZE: '4', BATCH_WAIT_MS: '300' }],
          // In the making until the stop.
          ['consumer_batch_message', { BATCH_SIZE: '4', BATCH_WAIT_MS: '600000' }],
        ] as const
      ).map(([name, settings]) => {
        const groupId = randomUUID();
        return { groupId, settings, service: start(name, topic, { GROUP_ID: groupId, ...settings }) };
      });
      for (const { groupId, service, settings } of services) {
        const waits = 'BATCH_WAIT_MS' in settings && settings.BATCH_WAIT_MS === '600000' && delivered > 0;
        if (waits) await until('the full batches', async () => received(service.lines).length === 3);
        else await isDone(groupId, topic);
      }
      assert.equal(await lagOf(services[0]?.groupId as string, topic), '0', 'while it runs');
      for (const { groupId, service } of services) {
        assert.equal(await service.stop(), 0);
        assert.equal(await kafka.committed(groupId, topic), await highWatermark(topic), 'after a stop');
        const numbers = received(service.lines)
          .flatMap(({ values }) => values)
          .map((value) => JSON.parse(value).n);
        assert.deepEqual(numbers, range(0, delivered));
        assert.equal(said(service).length, 1, said(service).join('\n'));
      }
      assert.equal(await lagOf(services[3]?.groupId as string, topic), '0', 'after a stop');
    });
});

describe('a compacted topic with record batches that are left without records', () => {
  const SEGMENT = 20_000;
  const COMPACTED = {
    'cleanup.policy': 'compact',
    'segment.bytes': String(SEGMENT),
    'min.cleanable.dirty.ratio': '0.01',
    'delete.retention.ms': '0',
  };

  /** A record batch of one record, by an idempotent producer of that id: the first, and the only one, of that. */
  const one = (producerId: number, key: string, value: string | null, pad = 0) =>
    encode({
      firstOffset: 0,
      producerId,
      records: [
        {
          offsetDelta: 0,
          key: Buffer.from(key),
          value: value === null ? null : Buffer.from(value.replace('}', `,"pad":"${'x'.repeat(pad)}"}`)),
        },
      ],
    });

  /** Begins a new segment: by a repetition, too large for the one at hand, that the broker does not write. */
  const roll = async (topic: string, producerId: number) =>
    produce(kafka.broker.port, topic, await one(producerId, 'key', '{}', SEGMENT - 150));

  /** The log's record batches, by the offset of the last one in each, and the number of their records. */
  function batches(topic: string): [lastOffset: number, records: number][] {
    const folder = join(kafka.dataDir, 'kafka', `${topic}-0`);
    return readdirSync(folder)
      .filter((name) => name.endsWith('.log'))
      .sort()
      .flatMap((name) => {
        const bytes = readFileSync(join(folder, name));
        const found: [number, number][] = [];
        for (let at = 0; at + 61 <= bytes.length; at += 12 + bytes.readInt32BE(at + 8))
          found.push([
            Number(bytes.readBigInt64BE(at)) + bytes.readInt32BE(at + 23),
            bytes.readInt32BE(at + 57),
          ]);
        return found;
      });
  }

  const NOTHING_CLEANED = '0\n0\n';

  /** Has the broker clean all but the last segment until the record batch at that offset has no records any more. */
  async function clean(topic: string, offset: number): Promise<void> {
    const checkpoint = join(kafka.dataDir, 'kafka', 'cleaner-offset-checkpoint');
    await until('an empty record batch', async () => {
      try {
        if (batches(topic).some(([last, records]) => last === offset && records === 0)) return true;
      } catch (error) {
        // The cleaner has put another segment in its place, since the folder was read.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
      // It cleans anew only what is new, and takes a tombstone away when it cleans for the second time: it is to
      // forget each time that it has cleaned.
      if (readFileSync(checkpoint, 'utf8') !== NOTHING_CLEANED) writeFileSync(checkpoint, NOTHING_CLEANED);
      return false;
    });
  }

  for (const where of ['in the middle', 'at the end'] as const)
    test(`is read on, and not asked for again and again, with an empty one ${where}`, async () => {
      const topic = await kafka.createTopic(1, COMPACTED);
      const { port } = kafka.broker;
      const [a, b, c] = messages(0, 3) as [string, string, string];
      await produce(port, topic, await one(1, 'a', a));
      await produce(port, topic, await one(2, 'b', b));
      // The last of its segment: a fetch from here on brings nothing else.
      await produce(port, topic, await one(3, 'gone', null));
      await roll(topic, 3);
      if (where === 'in the middle') await produce(port, topic, await one(4, 'c', c));
      await clean(topic, 2);
      const end = where === 'in the middle' ? 4 : 3;
      assert.equal(await highWatermark(topic), end);
      const started = [];
      for (const [name, from] of [
        ['consumer_from_oldest', 0],
        ['consumer_batch_message', 0],
        ['consumer_from_oldest', 2],
        ['consumer_batch_message', 2],
      ] as const) {
        const groupId = randomUUID();
        await kafka.admin.setOffsets({
          groupId,
          topic,
          partitions: [{ partition: 0, offset: String(from) }],
        });
        const settings = { GROUP_ID: groupId, BATCH_WAIT_MS: '200' };
        started.push({ groupId, from, consumer: start(name, topic, settings) });
      }
      for (const { groupId } of started) await isDone(groupId, topic);
      // Of four consumers, whose fetches wait for half a second each.
      const before = kafka.proxy?.fetches ?? 0;
      const begin = performance.now();
      await until('sixteen fetches', () => (kafka.proxy?.fetches ?? 0) - before >= 16);
      const seconds = (performance.now() - begin) / 1000;
      assert.ok(seconds > 16 / (40 / 3), `16 fetches in ${seconds} s`);
      const all = [0, 1, ...(where === 'in the middle' ? [3] : [])];
      for (const { groupId, from, consumer } of started) {
        assert.equal(await consumer.stop(), 0);
        assert.deepEqual(
          received(consumer.lines).flatMap(({ values }) => values.map((value) => JSON.parse(value).n)),
          all.filter((offset) => offset >= from).map((offset) => Math.min(offset, 2)),
        );
        assert.equal(await kafka.committed(groupId, topic), end);
        assert.equal(said(consumer).length, 1);
      }
    });
});

/** A topic of three messages, each in a record batch of its own, and the file that the broker has them in. */
async function threeMessages() {
  const topic = await kafka.createTopic();
  for (const value of messages(0, 3)) await kafka.write(topic, [value]);
  const file = join(kafka.dataDir, 'kafka', `${topic}-0`, '00000000000000000000.log');
  return { topic, file, log: readFileSync(file) };
}

test('a byte that has changed on the disk of the broker ends the consumer with one line, and is never a message', async () => {
  await sideBySide(CONSUMERS, async (name) => {
    const { topic, file, log } = await threeMessages();
    // A digit of the last message: the value is as good JSON as before.
    const at = log.lastIndexOf('"n":2') + 4;
    log.write('3', at);
    writeFileSync(file, log);
    const groupId = randomUUID();
    const consumer = start(name, topic, { GROUP_ID: groupId, AUTO_OFFSET_RESET: 'earliest' });
    assert.equal((await consumer.exit).code, 1);
    assert.deepEqual(
      received(consumer.lines).flatMap(({ values }) => values),
      messages(0, 2),
    );
    assert.equal(await kafka.committed(groupId, topic), 2);
    assert.equal(consumer.errors.length, 1);
    assert.match(
      consumer.errors[0] as string,
      /^CORRUPT_RECORDS: Partition 0 can't be read at offset 2: its checksum does not fit/,
    );
  });
});

test('a length that has changed on the disk of the broker is said, and what comes before it is read', async () => {
  await sideBySide(CONSUMERS, async (name) => {
    const { topic, file, log } = await threeMessages();
    // Of the last of three record batches of one size.
    const at = (log.length / 3) * 2 + 8;
    log.writeInt32BE(log.readInt32BE(at) + 1000, at);
    writeFileSync(file, log);
    const groupId = randomUUID();
    const consumer = start(name, topic, { GROUP_ID: groupId, AUTO_OFFSET_RESET: 'earliest' });
    await consumer.line('why nothing more comes', (line) =>
      /^Held up: NO_RECORDS: offsets 2-2 \(partition 0\): the broker has them, it says, and gives none whole/.test(
        line,
      ),
    );
    assert.equal(await consumer.stop(), 0);
    assert.deepEqual(
      received(consumer.lines).flatMap(({ values }) => values),
      messages(0, 2),
    );
    assert.equal(await kafka.committed(groupId, topic), 2);
  });
});

test('what kafka-python and librdkafka have compressed, by each codec, is read as they wrote it', async () => {
  const topic = await kafka.createTopic();
  for (const { batches } of fixtures.sets) {
    const set = Buffer.from(batches, 'base64');
    for (let at = 0, end = 0; at < set.length; at = end) {
      end = at + 12 + set.readInt32BE(at + 8);
      await produce(kafka.broker.port, topic, set.subarray(at, end));
    }
  }
  const written = fixtures.sets.flatMap(() => range(0, 100));
  await sideBySide(['consumer_from_oldest', 'consumer_batch_message'] as const, async (name) => {
    const groupId = randomUUID();
    const consumer = start(name, topic, { GROUP_ID: groupId, BATCH_SIZE: '1', BATCH_WAIT_MS: '200' });
    await isDone(groupId, topic);
    assert.equal(await consumer.stop(), 0);
    assert.deepEqual(
      received(consumer.lines).flatMap(({ values }) => values.map((value) => JSON.parse(value).n)),
      written,
    );
  });
});

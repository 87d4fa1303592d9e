/** The compiled services in the heap that their images give them: as much as a broker may hold fits in 128 MB. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { received } from '../../harness/log';
import { ENTRYPOINTS, type Recorded, type ServiceName, startService, until } from '../../harness/service';
import { makeValue } from '../../lib/message/message';
import { COMPRESSIONS } from '../support/codecs';
import { messages, useSharedKafka } from '../support/kafka';
import { produce } from '../support/produce';
import { compressed, encode, encodeMany } from '../support/records';
import { producerPerformance } from '../support/tools';

const ROOT = join(__dirname, '..', '..');
const COUNT = 300_000;
const CONTAINER_KB = 128 * 1024;
/** What the kernel can't take back: of Node.js's own program, 48 MB, it takes what is not at work. */
const OWN_KB = 124 * 1024;
/** As the image has it. */
const HEAP = /NODE_OPTIONS="(.*?)"/.exec(
  readFileSync(join(ROOT, 'consumers', 'consumer_batchMessage.dockerfile'), 'utf8'),
)?.[1] as string;
const CONSUMERS = ['consumer_from_oldest', 'consumer_batch_message'] as const;
const SNAPPY = COMPRESSIONS.find(({ name }) => name.includes('Java'));

const kafka = useSharedKafka();
const compiled = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));

before(() => {
  // As the image does it, and no more than it has: to compile all tests, too, takes four times as long.
  const config = join(compiled, 'tsconfig.json');
  const files = CONSUMERS.map((name) => join(ROOT, ENTRYPOINTS[name]));
  const compilerOptions = {
    outDir: compiled,
    rootDir: ROOT,
    typeRoots: [join(ROOT, 'node_modules', '@types')],
  };
  writeFileSync(
    config,
    JSON.stringify({ extends: join(ROOT, 'tsconfig.json'), compilerOptions, files, include: [] }),
  );
  execFileSync('npx', ['tsc', '--noCheck', '-p', config], { cwd: ROOT });
});
after(() => rmSync(compiled, { recursive: true }));

/** Of the process, in kB: the most memory that it has had at any time, or the part that is Node.js's own program. */
function memory(pid: number, what: 'VmHWM' | 'RssFile'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${what}:\\s+(\\d+) kB`).exec(status)?.[1]);
}

function start(name: ServiceName, topic: string, groupId: string, batchSize: number): Recorded {
  const settings = {
    KAFKA_BROKERS: kafka.broker.brokers,
    KAFKA_TOPIC: topic,
    GROUP_ID: groupId,
    BATCH_SIZE: String(batchSize),
    NODE_OPTIONS: HEAP,
    NODE_PATH: join(ROOT, 'node_modules'),
  };
  return startService(name, settings, compiled);
}

/**
 * Has the consumer read the partition to its end, in that memory.
 *
 * @param ownKb the most that it may have besides Node.js's own program, of which the kernel takes back what is not at
 * work; by default all that it has is counted
 * @returns its lines
 */
async function read(
  name: ServiceName,
  topic: string,
  end: number,
  batchSize = 10_000,
  ownKb?: number,
): Promise<string[]> {
  const groupId = randomUUID();
  const consumer = start(name, topic, groupId, batchSize);
  await until('all of it', async () => {
    assert.equal(consumer.child.exitCode, null, consumer.errors.join('\n'));
    return (await kafka.committed(groupId, topic)) === end;
  });
  const pid = consumer.child.pid as number;
  const most = memory(pid, 'VmHWM') - (ownKb ? memory(pid, 'RssFile') : 0);
  assert.equal(await consumer.stop(), 0);
  assert.ok(most < (ownKb ?? CONTAINER_KB), `${name} needs ${most} kB`);
  return consumer.lines;
}

const countOf = (lines: string[]) => received(lines).reduce((sum, one) => sum + one.messages, 0);
const skip = process.platform !== 'linux';

for (const [what, value] of [
  ['messages', (index: number) => Buffer.from(makeValue(new Date(1_700_000_000_000 + index * 100)))],
  ['tombstones', () => null],
] as const)
  test(`${COUNT} ${what} in one record batch, compressed to less than 1 MB, are read in 128 MB`, {
    skip,
  }, async () => {
    const topic = await kafka.createTopic();
    const batch = await encodeMany(COUNT, value);
    assert.ok(batch.length < 1_000_000, `${batch.length} bytes`);
    await produce(kafka.broker.port, topic, batch);
    for (const name of CONSUMERS) {
      const lines = await read(name, topic, COUNT);
      const skipped = lines.filter((line) => line.startsWith('Skipped: ')).length;
      assert.equal(what === 'messages' ? countOf(lines) : skipped, COUNT);
    }
  });

test("what Java's producer compresses, by each codec, is read in 128 MB", { skip }, async () => {
  const topic = await kafka.createTopic();
  const file = join(compiled, 'values.txt');
  writeFileSync(file, Array.from({ length: 1000 }, (_, n) => `${makeValue(new Date(n * 1000))}\n`).join(''));
  const kinds: [number, string, ...string[]][] = [
    [10_000, 'gzip'],
    [10_000, 'snappy'],
    [10_000, 'lz4'],
    [10_000, 'zstd'],
    // A window of 128 MB, and record batches of which each may hold 30,000 messages.
    [30_000, 'zstd', 'compression.zstd.level=22', 'batch.size=500000', 'linger.ms=2000'],
  ];
  await Promise.all(
    kinds.map(([count, type, ...properties]) =>
      producerPerformance(
        ...['--topic', topic, '--num-records', String(count), '--throughput', '-1', '--payload-file', file],
        ...['--producer-props', `bootstrap.servers=${kafka.broker.brokers}`, `compression.type=${type}`],
        ...properties,
      ),
    ),
  );
  const count = kinds.reduce((sum, [one]) => sum + one, 0);
  for (const name of CONSUMERS) assert.equal(countOf(await read(name, topic, count, 10_000, OWN_KB)), count);
});

test("what the broker compresses, by the topic's compression.type, is read", { skip }, async () => {
  const topic = await kafka.createTopic();
  for (const type of ['snappy', 'lz4', 'zstd']) {
    await kafka.alterTopic(topic, { 'compression.type': type });
    await kafka.write(topic, messages(0, 1000));
  }
  for (const name of CONSUMERS) assert.equal(countOf(await read(name, topic, 3000)), 3000);
});

const large = (rest: string) => `{"current_time":"2026-01-02 03:04:05","rest":${rest}}`;

test('messages of 10 MB are read in 128 MB, whatever they hold', { skip }, async () => {
  const topic = await kafka.createTopic(1, { 'max.message.bytes': '11000000' });
  const values = [
    large(`"${'x'.repeat(9_999_900)}"`),
    // Of these, the text is twice as large as the value;
    large(`"д${'x'.repeat(9_999_900)}"`),
    // of these, what is shown six times as large;
    large(`"${'\u007f'.repeat(9_999_900)}"`),
    // of this, JSON.parse would make 200 MB.
    large(`[${'{},'.repeat(3_300_000)}{}]`),
  ];
  for (const [value, compression] of [...values.map((one) => [one] as const), [values[1], SNAPPY] as const]) {
    const plain = await encode({
      firstOffset: 0,
      records: [{ offsetDelta: 0, value: Buffer.from(value as string) }],
    });
    await produce(kafka.broker.port, topic, compression ? compressed(plain, compression) : plain);
  }
  for (const name of CONSUMERS) {
    const lines = await read(name, topic, 5, 5, OWN_KB);
    assert.equal(countOf(lines), 5);
    if (name === 'consumer_batch_message')
      for (const line of lines.filter((one) => one.startsWith('Received')))
        assert.match(line.slice(-100), /1 message, .*full at 8 MB\)$/);
  }
});

test('what is larger ends the consumer with one line that names it, once all before it is handled', async () => {
  for (const compression of [undefined, SNAPPY]) {
    const topic = await kafka.createTopic(1, { 'max.message.bytes': '30000000' });
    await kafka.write(topic, messages(0, 3));
    const records = [{ offsetDelta: 0, value: Buffer.from(large(`"${'x'.repeat(20_000_000)}"`)) }];
    const plain = await encode({ firstOffset: 0, records });
    await produce(kafka.broker.port, topic, compression ? compressed(plain, compression) : plain);
    for (const name of CONSUMERS) {
      const consumer = start(name, topic, randomUUID(), 5);
      assert.equal((await consumer.exit).code, 1);
      assert.equal(countOf(consumer.lines), 3);
      assert.equal(consumer.errors.length, 1);
      assert.match(
        consumer.errors[0] as string,
        /^RECORD_TOO_LARGE: Partition 0 can't be read at offset 3: 20000\d{3} bytes of it are needed at once, .*; to go on behind it/,
      );
    }
  }
});

test('900 messages of 100 kB in batches of 1,000 are read in 128 MB, 8 MB at a time', { skip }, async () => {
  const topic = await kafka.createTopic();
  const value = large(`"${'x'.repeat(100_000)}"`);
  for (let n = 0; n < 900; n += 9) await kafka.write(topic, Array(9).fill(value));
  assert.equal(countOf(await read('consumer_from_oldest', topic, 900)), 900);
  const batches = received(await read('consumer_batch_message', topic, 900, 1000));
  assert.ok(batches.length > 10 && batches.every(({ messages }) => messages < 80));
});

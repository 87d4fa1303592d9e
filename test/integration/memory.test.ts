/** The compiled services in the heap that their images give them: as much as a broker may hold fits in 128 MB. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { received } from '../../harness/log';
import { startService, until } from '../../harness/service';
import { makeValue } from '../../lib/message/message';
import { useSharedKafka } from '../support/kafka';
import { produce } from '../support/produce';
import { encodeMany } from '../support/records';

const ROOT = join(__dirname, '..', '..');
const COUNT = 300_000;
const CONTAINER_KB = 128 * 1024;

const kafka = useSharedKafka();
const compiled = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));

before(() => {
  execFileSync('npx', ['tsc', '--noCheck', '--outDir', compiled], { cwd: ROOT });
});
after(() => rmSync(compiled, { recursive: true }));

/** The most memory that the process has had at any time, in kB. */
function peak(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

for (const [what, value] of [
  ['messages', (index: number) => Buffer.from(makeValue(new Date(1_700_000_000_000 + index * 100)))],
  ['tombstones', () => null],
] as const)
  test(`${COUNT} ${what} in one record batch, compressed to less than 1 MB, are read in 128 MB`, {
    skip: process.platform !== 'linux',
  }, async () => {
    const topic = await kafka.createTopic();
    const batch = await encodeMany(COUNT, value);
    assert.ok(batch.length < 1_000_000, `${batch.length} bytes`);
    await produce(kafka.broker.port, topic, batch);
    for (const name of ['consumer_from_oldest', 'consumer_batch_message'] as const) {
      const groupId = randomUUID();
      const settings = {
        KAFKA_BROKERS: kafka.broker.brokers,
        KAFKA_TOPIC: topic,
        GROUP_ID: groupId,
        BATCH_SIZE: '10000',
        NODE_OPTIONS: '--max-old-space-size=64 --max-semi-space-size=4',
        NODE_PATH: join(ROOT, 'node_modules'),
      };
      const consumer = startService(name, settings, compiled);
      await until('all of it', async () => {
        assert.equal(consumer.child.exitCode, null, consumer.errors.join('\n'));
        return (await kafka.committed(groupId, topic)) === COUNT;
      });
      const most = peak(consumer.child.pid as number);
      assert.equal(await consumer.stop(), 0);
      assert.ok(most < CONTAINER_KB, `${name} needs ${most} kB`);
      const count =
        what === 'messages'
          ? received(consumer.lines).reduce((sum, one) => sum + one.messages, 0)
          : consumer.lines.filter((line) => line.startsWith('Skipped: ')).length;
      assert.equal(count, COUNT);
    }
  });

/** What of the client shows in nothing that is received: that it rests, and that it begins at once. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { range } from '../../harness/log';
import { startService } from '../../harness/service';
import { Cluster } from '../../lib/client/cluster';
import { producerConfig } from '../../lib/settings/settings';
import { freePort } from '../../local/ports';
import { messages, useSharedKafka } from '../support/kafka';
import { CuttingProxy } from '../support/proxy';

const kafka = useSharedKafka();

test('a connection without requests lets the process rest', async () => {
  const script = join(__dirname, '..', 'support', 'resting_client.ts');
  const { stdout } = await promisify(execFile)(process.execPath, ['-r', './compiled', script], {
    env: { ...process.env, KAFKA_BROKERS: kafka.broker.brokers },
  });
  assert.ok(Number(stdout) <= 8, `${stdout.trim()} timers went off in 3 s`);
});

test('what is asked at the same time opens one connection', async () => {
  const port = await freePort();
  const proxy = await CuttingProxy.start(port, kafka.broker.port);
  const cluster = new Cluster({ ...producerConfig('client'), brokers: [`localhost:${port}`] });
  const answers = await Promise.all(range(0, 20).map(() => cluster.metadata()));
  assert.equal(answers.length, 20);
  assert.equal(proxy.connections, 1);
  cluster.close();
  await proxy.stop();
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

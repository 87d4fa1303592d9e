/** The demo without Docker, as a user runs it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename } from 'node:path';
import { test } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { lineOf, offsets, range, received, sent, starts } from '../../harness/log';
import { type Recorded, startService, until } from '../../harness/service';
import { IN_UTF_8 } from '../../local/java';
import { freePort } from '../../local/ports';
import type { Snapshot } from '../../view/picture';
import { pressCtrlC, useDemoWithoutDocker } from '../support/without_docker';

/** A history in no time. */
const FAST = { SEND_INTERVAL_MS: '200' };
const { copy, buildAndRun } = useDemoWithoutDocker();

const of = (demo: Recorded, service: string) => demo.lines.flatMap((line) => lineOf(service, line) ?? []);

/** Processes of the copy, java among them: its command names the jars. */
function leftRunning(): string[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'command='], { encoding: 'utf8', env: IN_UTF_8 });
  return stdout.split('\n').filter((command) => command.includes(copy));
}

function childrenOf(parent: number): number[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  const rows = stdout.split('\n').map((line) => line.trim().split(/ +/).map(Number));
  return rows.flatMap(([pid, of]) => (of === parent ? [pid as number] : []));
}

test('the demo runs without Docker: the three consumers differ, Ctrl-C ends all, and the history stays', async () => {
  const first = buildAndRun();
  await first.shows(
    'both kinds of batch',
    () => new Set(received(of(first, 'consumer_batch_message')).map(({ ending }) => ending)).size === 2,
  );
  await first.shows('the newest at work', () => received(of(first, 'consumer_from_newest')).length > 0);
  assert.ok(leftRunning().length >= 2, 'ZooKeeper and Kafka run');
  const other = buildAndRun();
  assert.equal((await other.exit).code, 1);
  assert.match(other.errors.join(), /^The demo runs here already \(process \d+\): stop it first$/);
  assert.equal(await pressCtrlC(first), 130, first.end());
  assert.deepEqual(leftRunning(), []);
  const folders = readdirSync(tmpdir()).filter((name) => name.endsWith(copy.slice(-6)));
  assert.deepEqual(
    folders,
    [basename(copy)],
    'its data is there and nowhere else, though its name is not ASCII',
  );
  assert.match(first.lines[0] as string, /without Docker/);
  assert.ok(first.lines.indexOf(first.lines.find((line) => line.includes('Starting at')) as string) > 5);
  assert.deepEqual(
    starts(of(first, 'consumer_from_oldest')).map(({ offset }) => offset),
    [0],
  );
  const newest = starts(of(first, 'consumer_from_newest'))[0]?.offset as number;
  assert.ok(newest >= 5, 'there was a history to skip');
  assert.equal(offsets(of(first, 'consumer_from_newest'))[0], newest);
  for (const service of [
    'kafka-producer',
    'consumer_from_oldest',
    'consumer_from_newest',
    'consumer_batch_message',
  ])
    assert.ok(first.lines.includes(`${service} exited with code 0`), service);
  assert.ok(
    first.lines.filter((line) => line.includes(' | ')).every((line) => line.indexOf(' | ') === 23),
    'the prefixes are aligned',
  );
  assert.deepEqual(first.errors, []);

  const written = sent(of(first, 'kafka-producer')).length;
  const second = buildAndRun([], { BATCH_SIZE: '2' });
  await second.shows('the history', () => offsets(of(second, 'consumer_from_oldest')).length > written);
  await second.shows(
    'batches of the size set',
    () => received(of(second, 'consumer_batch_message')).length > 1,
  );
  assert.ok(received(of(second, 'consumer_batch_message')).every(({ messages }) => messages <= 2));
  assert.equal(sent(of(second, 'kafka-producer'))[0]?.offset, written);
  assert.equal(await pressCtrlC(second), 130, second.end());
});

for (const [what, victims] of [
  ['alone', (runner: number) => [runner]],
  ['with all that it has started', (runner: number) => [runner, ...childrenOf(runner)]],
] as const)
  test(`killed outright, ${what}, it starts again at the first try, with its history`, async () => {
    const first = buildAndRun();
    await first.shows('the newest at work', () => received(of(first, 'consumer_from_newest')).length > 0);
    const written = sent(of(first, 'kafka-producer')).length;
    for (const pid of victims(first.child.pid as number)) process.kill(pid, 'SIGKILL');
    await first.exit;

    const second = buildAndRun();
    await second.shows('the history', () => offsets(of(second, 'consumer_from_oldest')).length > written);
    const replayed = offsets(of(second, 'consumer_from_oldest'));
    assert.deepEqual(replayed, range(0, replayed.length), 'from offset 0, without a gap');
    assert.equal(await pressCtrlC(second), 130, second.end());
    assert.deepEqual(leftRunning(), []);
    const complaints = of(second, 'kafka').filter((line) => / (ERROR|FATAL) /.test(line));
    assert.deepEqual(complaints, [], 'it was not refused meanwhile');
  });

test('a terminal that is closed ends the demo, cleanly', async () => {
  const demo = buildAndRun([], FAST);
  await demo.shows('the producer at work', () => sent(of(demo, 'kafka-producer')).length > 0);
  demo.child.stdout?.destroy();
  demo.child.stderr?.destroy();
  await until('the end', () => {
    // A terminal says so more than once.
    demo.child.kill('SIGHUP');
    return demo.child.exitCode !== null;
  });
  assert.equal((await demo.exit).code, 129);
  assert.deepEqual(leftRunning(), []);
});

test('a bad setting of the producer ends the demo with exit code 1, and leaves nothing running', async () => {
  const demo = buildAndRun([], { SEND_INTERVAL_MS: '0' });
  assert.equal((await demo.exit).code, 1);
  assert.match(of(demo, 'kafka-producer').join('\n'), /^SEND_INTERVAL_MS is "0": a whole number/);
  assert.deepEqual(leftRunning(), []);
});

test('with --view the page is there too, for this machine, and goes with the demo', async () => {
  const port = await freePort();
  const demo = buildAndRun(['--view'], { VIEW_PORT: String(port), ...FAST });
  await demo.line('its address', (line) => line.endsWith(`| The live view is at http://localhost:${port}`));
  await until('the three groups', async () => {
    const answer = await fetch(`http://localhost:${port}/api/state`);
    const { picture } = (await answer.json()) as Snapshot;
    // Those of a demo that was killed are there, too, with nobody in them.
    return (
      Object.values(picture.groups).filter(({ members }) => Object.keys(members).length > 0).length === 3
    );
  });
  assert.equal(await pressCtrlC(demo), 130, demo.end());
  assert.ok(demo.lines.includes('live_view exited with code 0'));
  assert.deepEqual(leftRunning(), []);
});

test('with --cluster it runs on three brokers, under their names of Compose, and leaves nothing running', async () => {
  const ports = [await freePort(), await freePort(), await freePort()];
  const [one, two, three] = ports.map(String) as [string, string, string];
  const settings = { KAFKA_EXTERNAL_PORT: one, KAFKA_2_EXTERNAL_PORT: two, KAFKA_3_EXTERNAL_PORT: three };
  const demo = buildAndRun(['--cluster'], { ...settings, ...FAST });
  for (const consumer of ['consumer_from_oldest', 'consumer_from_newest', 'consumer_batch_message'])
    await demo.shows(`${consumer} at work`, () => received(of(demo, consumer)).length >= 2);
  const partitions = starts(of(demo, 'consumer_from_oldest')).map(({ partition }) => partition);
  assert.deepEqual(partitions.sort(), range(0, 6));
  const client = new Kafka({ brokers: ports.map((port) => `localhost:${port}`), logLevel: logLevel.NOTHING });
  const admin = client.admin();
  await admin.connect();
  const { brokers } = await admin.describeCluster();
  await admin.disconnect();
  assert.deepEqual(brokers.map(({ port }) => port).sort(), ports.sort());
  assert.equal(await pressCtrlC(demo), 130, demo.end());
  assert.deepEqual(leftRunning(), []);
  assert.deepEqual(demo.errors, []);
  const known =
    /^(kafka(-[23])?|kafka-producer|consumer_\w+) +\| |exited with code 0$|without Docker|^Kafka: localhost:\d+,/;
  assert.deepEqual(
    demo.lines.filter((line) => !known.test(line)),
    [],
  );
  const groups = ['kafka', 'kafka-2', 'kafka-3'].flatMap((service) => of(demo, service));
  assert.ok(groups.some((line) => line.includes('Stabilized group')));
});

test('a wrong port of a broker is one line', async () => {
  const demo = buildAndRun(['--cluster'], { KAFKA_3_EXTERNAL_PORT: '0' });
  assert.equal((await demo.exit).code, 1);
  assert.deepEqual(demo.errors, [
    'KAFKA_3_EXTERNAL_PORT is "0": a port from 1 to 65535 is needed; change it, or leave it out',
  ]);
});

test('the same port for two services is one line', async () => {
  const demo = buildAndRun(['--cluster'], { KAFKA_EXTERNAL_PORT: '19093', KAFKA_3_EXTERNAL_PORT: '19093' });
  assert.equal((await demo.exit).code, 1);
  assert.deepEqual(demo.errors, [
    'Port 19093 is meant for two services: give each its own (KAFKA_EXTERNAL_PORT, KAFKA_2_EXTERNAL_PORT, KAFKA_3_EXTERNAL_PORT, VIEW_PORT).',
  ]);
});

test('a port that is set, and taken, is one line', async () => {
  const server = createServer().listen(0, '127.0.0.1').unref();
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (const setting of ['KAFKA_EXTERNAL_PORT', 'VIEW_PORT']) {
    const demo = buildAndRun(['--view'], { [setting]: String(port) });
    assert.equal((await demo.exit).code, 1);
    assert.equal(demo.errors.length, 1);
    const said = `Port ${port} on this machine is taken: stop what listens there, or choose another with ${setting}=`;
    assert.ok(demo.errors[0]?.startsWith(said), demo.errors[0]);
  }
  server.close();
});

test('Kafka is at 9092 as with Docker, or where that is taken at the next free port, which is said', async () => {
  const server = createServer().listen(9092, '127.0.0.1').unref();
  // Taken by somebody else is as good.
  await once(server, 'listening').catch(() => undefined);
  const demo = buildAndRun();
  const line = await demo.line('its address', (line) => line.startsWith('Kafka: localhost:'));
  const port = Number(line.split(':').at(-1));
  assert.ok(port > 9092 && port < 9192, line);
  const oldest = startService('consumer_from_oldest', { KAFKA_BROKERS: `localhost:${port}` });
  await oldest.shows('the history', (lines) => offsets(lines).length >= 5);
  assert.equal(await oldest.stop(), 0);
  assert.equal(await pressCtrlC(demo), 130, demo.end());
  server.close();
});

test('an argument for Compose is refused in one line', async () => {
  const demo = buildAndRun(['-d']);
  assert.equal((await demo.exit).code, 1);
  assert.deepEqual(demo.errors, ['-d is an argument for Docker Compose: without Docker, leave it out']);
});

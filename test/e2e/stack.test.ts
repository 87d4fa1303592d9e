/** The demo on Docker Compose, as a user runs it and reads it. The tests build on one another, in this order. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  buildAndRun,
  compose,
  copyProject,
  docker,
  inspect,
  OUR_SERVICES,
  type Stack,
} from '../../harness/compose';
import { offsets, range, received, sent, starts } from '../../harness/log';
import { startService, until } from '../../harness/service';

const folder = copyProject();
let running: Stack | undefined;
let written = 0;

before(() => compose(folder, 'down', '--volumes', '--remove-orphans'));
after(async () => {
  if (running?.child.exitCode === null) await running.pressCtrlC();
  compose(folder, 'down', '--volumes');
  rmSync(folder, { recursive: true });
});

function run(args: string[] = [], settings: Record<string, string> = {}): Stack {
  running = buildAndRun(folder, args, settings);
  return running;
}

test('one command shows how the three consumers differ', async () => {
  const stack = run();
  await stack.shows(
    'both kinds of batch',
    () => new Set(received(stack.of('consumer_batch_message')).map(({ ending }) => ending)).size === 2,
  );
  await stack.shows('the newest at work', () => received(stack.of('consumer_from_newest')).length >= 3);
  await stack.shows('the oldest at work', () => received(stack.of('consumer_from_oldest')).length > 0);

  const [oldest, newest, batch] = (['oldest', 'newest', 'batch'] as const).map((name) => {
    const service = name === 'batch' ? 'consumer_batch_message' : `consumer_from_${name}`;
    return stack.of(service);
  }) as [string[], string[], string[]];
  assert.deepEqual(starts(oldest), [{ offset: 0, from: 'earliest', partition: 0 }]);
  assert.deepEqual(offsets(oldest), range(0, offsets(oldest).length), 'from offset 0, without a gap');
  const announced = starts(newest)[0]?.offset as number;
  assert.equal(starts(newest)[0]?.from, 'latest');
  assert.ok(announced >= 5, 'above the history');
  assert.deepEqual(offsets(newest), range(announced, announced + offsets(newest).length));
  assert.deepEqual(offsets(batch), range(0, offsets(batch).length));
  assert.ok(received(batch).every(({ messages }) => messages <= 5));
  assert.ok(received(batch).every(({ messages, ending }) => (messages === 5) === (ending === 'full')));
});

test('all but the consumers have a health check, and it says healthy', () => {
  for (const service of ['zookeeper', 'kafka', 'kafka-producer'])
    assert.equal(inspect(service).State.Health.Status, 'healthy');
});

test('a program on this machine reaches Kafka at localhost', async () => {
  const oldest = startService('consumer_from_oldest', { KAFKA_BROKERS: 'localhost:9092' });
  await oldest.shows('the history', (lines) => offsets(lines).length >= 5);
  assert.equal(await oldest.stop(), 0);
});

test('our four containers have no rights, no ports and no files to write', () => {
  for (const service of OUR_SERVICES) {
    const { Config, HostConfig, NetworkSettings } = inspect(service);
    assert.equal(Config.User, 'node');
    assert.equal(HostConfig.ReadonlyRootfs, true);
    assert.deepEqual(HostConfig.CapDrop, ['ALL']);
    assert.deepEqual(HostConfig.SecurityOpt, ['no-new-privileges:true']);
    assert.ok(HostConfig.Memory > 0 && HostConfig.Memory <= 128 * 2 ** 20);
    assert.equal(HostConfig.Privileged, false);
    assert.deepEqual(Object.keys(NetworkSettings.Ports), []);
    assert.deepEqual(Config.Cmd.slice(0, 1), ['node']);
  }
});

test("Kafka's port is open to this machine alone", () => {
  assert.deepEqual(inspect('kafka').NetworkSettings.Ports['9092/tcp'], [
    { HostIp: '127.0.0.1', HostPort: '9092' },
  ]);
});

test('the images hold the packages that the services need, and no others', () => {
  const { packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
  const needed = Object.entries<{ dev?: boolean }>(packages)
    .filter(([path, { dev }]) => path && !dev)
    // Of a scope the folder is listed; what is made for other machines is not installed.
    .map(([path]) => path.split('/')[1] as string);
  for (const service of OUR_SERVICES) {
    const files = docker('run', '--rm', inspect(service).Config.Image, 'ls', 'node_modules').split('\n');
    assert.deepEqual(files.sort(), [...new Set(needed)].sort());
  }
});

test('an image adds as much to its base image as docs/containers.md says', () => {
  const page = readFileSync(join(folder, 'docs', 'containers.md'), 'utf8');
  const said = Number(/image adds ([\d.]+) MB of files to `node:24-bookworm-slim`/.exec(page)?.[1]);
  for (const service of OUR_SERVICES) {
    const count = 'find /app -type f -exec cat {} + | wc -c';
    const added = Number(docker('run', '--rm', inspect(service).Config.Image, 'sh', '-c', count)) / 1e6;
    assert.ok(Math.abs(added - said) < 0.1, `${service}: ${added} MB`);
  }
});

test('the containers leave no anonymous volume behind', () => {
  for (const service of ['zookeeper', 'kafka', ...OUR_SERVICES])
    for (const { Type, Name } of inspect(service).Mounts)
      if (Type === 'volume') assert.match(Name, /^kafka-consumers-demo_/);
});

test('Ctrl-C stops all cleanly', async () => {
  const stack = running as Stack;
  written = sent(stack.of('kafka-producer')).length;
  assert.equal(await stack.pressCtrlC(), 130);
  for (const service of OUR_SERVICES) assert.equal(inspect(service).State.ExitCode, 0, service);
  for (const service of ['zookeeper', 'kafka']) {
    assert.equal(inspect(service).State.Running, false);
    assert.equal(inspect(service).State.ExitCode, 143, `${service} was stopped, not killed`);
  }
});

test('after down and up the history is there, and an edited Dockerfile is in force', async () => {
  compose(folder, 'down');
  const dockerfile = join(folder, 'consumers/consumer_batchMessage.dockerfile');
  writeFileSync(dockerfile, readFileSync(dockerfile, 'utf8').replace('BATCH_SIZE=5', 'BATCH_SIZE=3'));
  const stack = run([], { SEND_INTERVAL_MS: '200' });
  await stack.shows('the history', () => offsets(stack.of('consumer_from_oldest')).length > written);
  await stack.shows('new batches', () => received(stack.of('consumer_batch_message')).length >= 3);
  await stack.shows('the start of the newest', () => starts(stack.of('consumer_from_newest')).length > 0);
  const batches = received(stack.of('consumer_batch_message'));
  assert.deepEqual(new Set(batches.slice(0, 3).map(({ messages }) => messages)), new Set([3]));
  assert.ok((starts(stack.of('consumer_from_newest'))[0]?.offset as number) >= written);
  const groups = compose(
    folder,
    'exec',
    '-T',
    'kafka',
    'kafka-consumer-groups',
    '--bootstrap-server',
    'kafka:29092',
    '--list',
    '--timeout',
    '60000',
  );
  assert.equal(
    groups.split('\n').filter((group) => group.startsWith('consumer_')).length,
    3,
    'none of the first run',
  );
  // The steps before the ENV block came from the cache: npm ran in the first build only.
  assert.ok(![...stack.lines, ...stack.errors].some((line) => /added \d+ packages/.test(line)));
  assert.equal(await stack.pressCtrlC(), 130);
});

test('after down --volumes the history is gone', async () => {
  compose(folder, 'down', '--volumes');
  const stack = run();
  await stack.shows('the first message', () => sent(stack.of('kafka-producer')).length > 0);
  assert.equal(sent(stack.of('kafka-producer'))[0]?.offset, 0);
  assert.equal(await stack.pressCtrlC(), 130);
});

test('a killed Kafka is restarted, and waits for the end of its old session by itself', async () => {
  const stack = run(['--detach']);
  assert.equal((await stack.exit).code, 0);
  const restarts = inspect('kafka').RestartCount;
  // Of Docker's own `kill` the restart policy would hold that the user wants it so: java is killed from inside.
  const kill =
    'for exe in /proc/[0-9]*/exe; do [[ $(readlink $exe) != */java ]] || kill -9 $(cut -d/ -f3 <<<$exe); done';
  docker('exec', 'kafka', 'bash', '-c', kill);
  const before = sent(docker('logs', 'kafka-producer').split('\n')).length;
  await until(
    'more messages than before',
    () => sent(docker('logs', 'kafka-producer').split('\n')).length > before + 3,
  );
  assert.ok(inspect('kafka').RestartCount > restarts);
  const placed = sent(docker('logs', 'kafka-producer').split('\n')).map(({ offset }) => offset);
  const first = placed[0] as number;
  assert.deepEqual(placed, range(first, first + placed.length), 'nothing lost or repeated');
  compose(folder, 'stop');
});

/** What Kafka says where ZooKeeper still knows it from before it was killed. */
const WAITING = 'Kafka was killed, and ZooKeeper has yet to notice: waiting for some seconds';

/** Seconds for which Kafka has waited last, by the times that Docker has noted of its lines; 0 where it did not. */
function waitedForItsName(): number {
  const lines = docker('logs', '--timestamps', 'kafka')
    .split('\n')
    .map((line) => ({
      time: Date.parse(line.split(' ', 1)[0] as string),
      text: line.slice(line.indexOf(' ') + 1),
    }));
  const said = lines.findLastIndex(({ text }) => text === WAITING);
  return said < 0 ? 0 : ((lines[said + 1]?.time as number) - (lines[said]?.time as number)) / 1000;
}

test('all killed at once at work, it starts again by the script, at the first try and with its history', async () => {
  const stack = run();
  await stack.shows('the newest at work', () => received(stack.of('consumer_from_newest')).length > 0);
  compose(folder, 'kill');
  await stack.exit;
  const last = sent(stack.of('kafka-producer')).at(-1)?.offset as number;
  const again = run();
  await again.shows('what was sent since', () =>
    offsets(again.of('consumer_from_oldest')).some((offset) => offset > last),
  );
  const replayed = offsets(again.of('consumer_from_oldest'));
  assert.deepEqual(replayed, range(0, replayed.length), 'from offset 0, without a gap');
  assert.ok(waitedForItsName() < 10, `it waited for ${waitedForItsName()} s`);
  assert.equal(inspect('kafka').RestartCount, 0);
  assert.equal(await again.pressCtrlC(), 130);
});

test('all killed at once, and taken down, it starts again by a bare `docker compose up`', async () => {
  compose(folder, 'up', '--detach');
  for (const prepare of [['kill'], ['kill', 'kafka'], ['down', '--timeout', '0']]) {
    const last = sent(docker('logs', 'kafka-producer').split('\n')).at(-1)?.offset as number;
    compose(folder, ...prepare);
    compose(folder, 'up', '--detach');
    await until(`messages after ${prepare.join(' ')}`, () =>
      offsets(docker('logs', 'consumer_from_oldest').split('\n')).some((offset) => offset > last),
    );
    assert.ok(waitedForItsName() < 10, `it waited for ${waitedForItsName()} s`);
    assert.equal(inspect('kafka').RestartCount, 0, prepare.join(' '));
  }
  compose(folder, 'stop');
});

test('what did not start anything stops nothing', async () => {
  assert.equal((await run(['--detach']).exit).code, 0);
  const runs = () => compose(folder, 'ps', '--quiet', '--status', 'running').split('\n').length;
  for (const args of [
    ['--vew'],
    ['--scale', 'consumer_from_oldest=2'],
    ['--scale', 'kafka-producer=2'],
    ['nosuch'],
  ]) {
    assert.equal((await run(args).exit).code, 1);
    assert.equal(runs(), 6, args.join(' '));
  }
  const stack = run([], { KAFKA_EXTERNAL_PORT: '29092' });
  assert.equal((await stack.exit).code, 1);
  assert.equal(stack.errors.length, 1);
  assert.equal(runs(), 6);
  compose(folder, 'stop');
});

test('a service that cannot start stops the stack, and says why in one line', async () => {
  const stack = run([], { BUFFER_SIZE: '0' });
  assert.equal((await stack.exit).code, 1);
  assert.ok(stack.of('kafka-producer').some((line) => line.startsWith('BUFFER_SIZE is "0": a whole number')));
  assert.equal(compose(folder, 'ps', '--quiet', '--status', 'running'), '');
});

test('a port that is taken is one line with the remedy', async () => {
  const server = (await import('node:net')).createServer().listen(19_092, '127.0.0.1');
  const stack = run([], { KAFKA_EXTERNAL_PORT: '19092' });
  assert.equal((await stack.exit).code, 1);
  server.close();
  assert.deepEqual(stack.errors.length, 1);
  assert.match(stack.errors[0] as string, /^Port 19092 on this machine is taken: .*KAFKA_EXTERNAL_PORT/);
});

test('a container of the same name that another project left is one line with the remedy', async () => {
  compose(folder, 'down');
  docker('create', '--name', 'zookeeper', 'node:24-bookworm-slim');
  const stack = run();
  assert.equal((await stack.exit).code, 1);
  docker('rm', 'zookeeper');
  assert.deepEqual(stack.errors.length, 1);
  assert.match(
    stack.errors[0] as string,
    /^A container named zookeeper is there already.*docker rm -f zookeeper/,
  );
});

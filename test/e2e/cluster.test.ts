/** The demo on three brokers, as a user runs it and reads it. The tests build on one another, in this order. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import {
  buildAndRun,
  compose,
  copyProject,
  docker,
  inspect,
  OUR_SERVICES,
  type Stack,
} from '../../harness/compose';
import { lineOf, range, received, sent, starts } from '../../harness/log';
import { until } from '../../harness/service';

const BROKERS = ['kafka', 'kafka-2', 'kafka-3'] as const;
const PORTS = [9092, 9093, 9094];
const MEMBER = 'member_from_oldest';
/** Three groups join, in five lines each; and so many more on a machine that is busy. */
const QUIET_LINES = 15 + 10;

const folder = copyProject();
let running: Stack | undefined;

/** As a user who has set COMPOSE_FILE to both. */
const clusterCompose = (...args: string[]) =>
  compose(
    folder,
    ...['docker-compose.yml', 'docker-compose.cluster.yml'].flatMap((file) => ['--file', join(folder, file)]),
    ...args,
  );
const tool = (name: string, ...args: string[]) =>
  docker('exec', 'kafka', `/opt/kafka/bin/${name}.sh`, '--bootstrap-server', 'kafka:29092', ...args);

function cleanUp(): void {
  compose(folder, '--profile', '*', 'down', '--volumes', '--remove-orphans');
  clusterCompose('--profile', '*', 'down', '--volumes');
}

before(cleanUp);
after(async () => {
  if (running?.child.exitCode === null) await running.pressCtrlC();
  cleanUp();
  rmSync(folder, { recursive: true });
});

function run(...args: string[]): Stack {
  running = buildAndRun(folder, args);
  return running;
}

test('the second file puts three brokers in the place of ZooKeeper and Kafka, and leaves our services as they are', () => {
  const plain = JSON.parse(compose(folder, '--profile', '*', 'config', '--format', 'json'));
  const cluster = JSON.parse(clusterCompose('--profile', '*', 'config', '--format', 'json'));
  const ours = Object.keys(plain.services).filter((name) => !['zookeeper', 'kafka'].includes(name));
  assert.deepEqual(Object.keys(cluster.services).sort(), [...BROKERS, ...ours].sort());
  for (const name of ours) {
    const { environment, depends_on, ...rest } = cluster.services[name];
    const { environment: one, depends_on: itsNeeds, ...same } = plain.services[name];
    assert.deepEqual(rest, same, `${name}: image, rights and limits`);
    const wiring = {
      KAFKA_BROKERS: BROKERS.map((broker) => `${broker}:29092`).join(','),
      TOPIC_PARTITIONS: '6',
    };
    assert.deepEqual(environment, { ...one, ...wiring });
    assert.deepEqual(Object.keys(depends_on).sort(), [...Object.keys(itsNeeds), 'kafka-2', 'kafka-3'].sort());
  }
  for (const [index, name] of BROKERS.entries()) {
    const { image, environment, healthcheck, mem_limit } = cluster.services[name];
    assert.equal(image, 'apache/kafka:4.3.1');
    assert.equal(environment.KAFKA_NODE_ID, String(index + 1));
    assert.ok(!('KAFKA_ZOOKEEPER_CONNECT' in environment));
    assert.deepEqual({ healthcheck, mem_limit }, pick(cluster.services.kafka));
  }
  const [mine, other] = [cluster, plain].map(({ volumes }) => Object.keys(volumes));
  assert.deepEqual(mine?.sort(), ['kafka-1-data', 'kafka-2-data', 'kafka-3-data']);
  assert.ok(!other?.some((volume) => mine?.includes(volume)), 'no volume in common');
});

const pick = ({ healthcheck, mem_limit }: { healthcheck: object; mem_limit: string }) => ({
  healthcheck,
  mem_limit,
});

test('the shell sets the partitions of the topic over the six of the cluster', () => {
  process.env.TOPIC_PARTITIONS = '12';
  const { services } = JSON.parse(clusterCompose('config', '--format', 'json'));
  delete process.env.TOPIC_PARTITIONS;
  assert.equal(services['kafka-producer'].environment.TOPIC_PARTITIONS, '12');
});

test('one command: the three consumers have six partitions, in the lines that they always print', async () => {
  const stack = run('--cluster', '--view');
  await stack.line(
    'the view',
    (line) => lineOf('live_view', line) === 'The live view is at http://localhost:8080',
  );
  for (const consumer of OUR_SERVICES.slice(1))
    await stack.shows(`${consumer} at work`, () => received(stack.of(consumer)).length >= 6);
  for (const consumer of OUR_SERVICES.slice(1)) {
    const partitions = starts(stack.of(consumer)).map(({ partition }) => partition);
    assert.deepEqual(partitions.sort(), range(0, 6), consumer);
  }
  const theirs = BROKERS.flatMap((broker) => stack.of(broker));
  assert.ok(theirs.length <= QUIET_LINES, `the brokers print ${theirs.length} lines:\n${theirs.join('\n')}`);
  assert.deepEqual(
    new Set(starts(stack.of('consumer_from_oldest')).map(({ offset }) => offset)),
    new Set([0]),
  );
  assert.ok(starts(stack.of('consumer_from_newest')).some(({ offset }) => offset > 0));
});

test('the topic has three copies, of which two must have a message', async () => {
  // A broker that was left waiting by the machine for 3 s is out of sync for as long.
  const [topic, ...partitions] = await until('all in sync', () => {
    const lines = tool('kafka-topics', '--describe', '--topic', 'test-topic').split('\n');
    return lines.slice(1).every((line) => /Isr: \d,\d,\d\b/.test(line)) && lines;
  });
  assert.match(
    topic as string,
    /PartitionCount: 6\s+ReplicationFactor: 3\s+Configs: .*min\.insync\.replicas=2/,
  );
  assert.equal(partitions.length, 6);
  for (const line of partitions) assert.match(line, /Isr: \d,\d,\d\b/);
});

test('each broker is healthy, and reachable from this machine alone on a port of its own', async () => {
  for (const [index, name] of BROKERS.entries()) {
    const { State, NetworkSettings } = inspect(name);
    assert.equal(State.Health.Status, 'healthy');
    const HostPort = String(PORTS[index]);
    assert.deepEqual(NetworkSettings.Ports['9092/tcp'], [{ HostIp: '127.0.0.1', HostPort }]);
    const client = new Kafka({ brokers: [`localhost:${HostPort}`], logLevel: logLevel.NOTHING });
    const admin = client.admin();
    await admin.connect();
    await until('all three', async () => {
      const { brokers } = await admin.describeCluster();
      return String(brokers.map(({ port }) => port).sort()) === String(PORTS);
    });
    const ends = await admin.fetchTopicOffsets('test-topic');
    await admin.disconnect();
    assert.equal(ends.length, 6, 'the leaders of all partitions');
  }
});

test('all together take less than 2.5 GB', () => {
  const names = [...BROKERS, ...OUR_SERVICES, 'live_view'];
  const megabytes = docker('stats', '--no-stream', '--format', '{{.MemUsage}}', ...names)
    .split('\n')
    .map((line) => Number(/^([\d.]+)MiB/.exec(line)?.[1]) * 1.048576);
  assert.ok(megabytes.reduce((sum, one) => sum + one) < 2500, megabytes.join(' + '));
});

test('one more command scales the members of a group, and the log tells them apart', async () => {
  const shares = () =>
    tool('kafka-consumer-groups', '--describe', '--members', '--group', MEMBER, '--timeout', '60000')
      .split('\n')
      .filter((line) => line.startsWith(MEMBER))
      .map((line) => Number(line.trim().split(/ +/).at(-1)))
      .sort();
  for (const [members, expected] of [
    [1, [6]],
    [3, [2, 2, 2]],
    [7, [0, 1, 1, 1, 1, 1, 1]],
  ] as const) {
    clusterCompose('up', '--detach', '--no-deps', '--scale', `${MEMBER}=${members}`, MEMBER);
    await until(`${members} members with their shares`, () => String(shares()) === String(expected));
  }
  // The broker knows what each member has before that one has heard of it, and said so.
  const logs = await until('the log of each of the seven, and one that is idle', () => {
    const lines = clusterCompose('--profile', 'members', 'logs', '--no-color', MEMBER).split('\n');
    const each = range(1, 8).map((number) =>
      lines.flatMap((line) => lineOf(`${MEMBER}-${number}`, line) ?? []),
    );
    const idle = each.filter((log) => log.at(-1) === 'No partitions assigned');
    return each.every((log) => log.length > 0) && idle.length === 1 && each;
  });
  const first = starts(logs[0] as string[]).filter(({ from }) => from === 'earliest');
  assert.equal(first.length, 6, 'the first had them all');
});

test('Ctrl-C stops all cleanly, the members too, and no anonymous volume is there', async () => {
  const stack = running as Stack;
  assert.equal(await stack.pressCtrlC(), 130);
  const members = range(1, 8).map((number) => `kafka-consumers-demo-${MEMBER}-${number}`);
  for (const container of [...OUR_SERVICES, 'live_view', ...members])
    assert.equal(inspect(container).State.ExitCode, 0, container);
  for (const broker of BROKERS) {
    assert.equal(inspect(broker).State.ExitCode, 143, `${broker} was stopped, not killed`);
    for (const { Type, Name } of inspect(broker).Mounts)
      if (Type === 'volume') assert.match(Name, /^kafka-consumers-demo_kafka-[123]-data$/);
  }
});

test('the plain demo runs after it, and the three brokers again after that, each with its own data', async () => {
  const written = sent((running as Stack).of('kafka-producer')).length;
  const plain = run();
  await plain.shows('the first message of its own', () => sent(plain.of('kafka-producer')).length > 0);
  assert.equal(sent(plain.of('kafka-producer'))[0]?.offset, 0);
  assert.throws(() => inspect('kafka-2'), 'taken away');
  assert.equal(await plain.pressCtrlC(), 130);

  const cluster = run('--cluster');
  await cluster.shows('its history', () => received(cluster.of('consumer_from_oldest')).length > written);
  assert.throws(() => inspect('zookeeper'), 'taken away');
  assert.equal(await cluster.pressCtrlC(), 130);
});

test('all killed at once, the three brokers start again at the first try, with the history', async () => {
  const stack = run('--cluster');
  await stack.shows('the newest at work', () => received(stack.of('consumer_from_newest')).length > 0);
  clusterCompose('kill');
  await stack.exit;
  const written = sent(stack.of('kafka-producer')).length;
  const again = run('--cluster');
  await again.shows('the history', () => received(again.of('consumer_from_oldest')).length > written);
  for (const broker of BROKERS) assert.equal(inspect(broker).RestartCount, 0, broker);
  assert.equal(await again.pressCtrlC(), 130);
});

test('a port of a broker that is taken is one line with the remedy', async () => {
  const server = (await import('node:net')).createServer().listen(9094, '127.0.0.1');
  const stack = run('--cluster');
  assert.equal((await stack.exit).code, 1);
  server.close();
  assert.equal(stack.errors.length, 1);
  assert.match(
    stack.errors[0] as string,
    /^Port 9094 on this machine is taken: .*KAFKA_3_EXTERNAL_PORT.* --cluster$/,
  );
});

test('down takes away all of it', () => {
  clusterCompose('--profile', '*', 'down', '--volumes');
  const label = ['--filter', 'label=com.docker.compose.project=kafka-consumers-demo'];
  assert.equal(docker('ps', '--all', '--quiet', ...label), '');
  const volumes = docker('volume', 'ls', '--quiet', ...label);
  assert.ok(!/kafka-[123]-data/.test(volumes), volumes);
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { batchConfig, consumerConfig, producerConfig, readEnvironment } from '../../lib/settings/settings';
import { dockerfileEnvironment } from '../../local/environment';

const earliest = { autoOffsetReset: 'earliest' } as const;
const latest = { autoOffsetReset: 'latest' } as const;
const ROOT = join(__dirname, '..', '..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** The rule that a setting breaks, or undefined where the value is taken. */
function refusal(settings: Record<string, string>): string | undefined {
  try {
    producerConfig('p', settings);
    batchConfig('b', earliest, settings);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

test('a group without a name gets the service name and a random one, each time another', () => {
  const [one, other] = [consumerConfig('c', earliest, {}), consumerConfig('c', earliest, {})];
  assert.match(one.groupId, /^c-[0-9a-f]{8}$/);
  assert.notEqual(one.groupId, other.groupId);
  assert.ok(one.groupIsTemporary);
  assert.equal(consumerConfig('c', earliest, { GROUP_ID: 'mine' }).groupIsTemporary, false);
});

test('each number is taken up to the ends of its range, and not beyond', () => {
  for (const [name, min, max] of [
    ['TOPIC_PARTITIONS', 1, 1000],
    ['TOPIC_REPLICAS', 1, 32767],
    ['SEND_INTERVAL_MS', 1, 2147483647],
    ['BUFFER_SIZE', 1, 1000000],
    ['BATCH_SIZE', 1, 10000],
    ['BATCH_WAIT_MS', 1, 2147483647],
    ['HANDLER_DELAY_MS', 0, 2147483647],
    ['HANDLER_FAILS_AT', 0, Number.MAX_SAFE_INTEGER],
  ] as const) {
    for (const good of [min, max])
      assert.equal(refusal({ [name]: String(good) }), undefined, `${name} ${good}`);
    for (const bad of [min - 1, max + 1, '1.5', '1e3', ' 1', 'x', ''])
      assert.match(
        refusal({ [name]: String(bad) }) ?? '',
        new RegExp(`^${name} is .*from ${min} to ${max} is needed`),
      );
  }
});

test('a value that is no topic, no broker list, no offset reset is refused by name', () => {
  for (const [name, values] of Object.entries({
    KAFKA_TOPIC: ['', '.', '..', 'a b', 'ä', 'x'.repeat(250)],
    KAFKA_BROKERS: ['', 'kafka', 'kafka:', ':9092', 'kafka:0', 'kafka:65536', 'a:1,', 'http://a:1'],
    AUTO_OFFSET_RESET: ['', 'none', 'Earliest'],
    GROUP_ID: [''],
  }))
    for (const value of values)
      assert.ok(refusal({ [name]: value })?.startsWith(`${name} is `), `${name}=${value}`);
  assert.equal(
    refusal({ KAFKA_BROKERS: 'a:1, b:65535', KAFKA_TOPIC: 'A.b_c-1', AUTO_OFFSET_RESET: 'latest' }),
    undefined,
  );
});

test('all bad settings are named at once', () => {
  assert.equal(refusal({ TOPIC_PARTITIONS: '0', KAFKA_TOPIC: '' })?.split('\n').length, 2);
});

test("the Dockerfiles' ENV blocks repeat the code's defaults", () => {
  const { healthFile: _, ...producer } = producerConfig('p', {});
  const same = { groupId: 'g', groupIsTemporary: false };
  assert.deepEqual(
    { ...producerConfig('p', block('producer/producer')), healthFile: undefined },
    { ...producer, healthFile: undefined },
  );
  for (const [file, defaults] of [
    ['consumers/consumer_fromOldest', earliest],
    ['consumers/consumer_fromNewest', latest],
  ] as const) {
    // The other default, so that the block's own is seen.
    const other = defaults === earliest ? latest : earliest;
    assert.deepEqual(
      { ...consumerConfig('c', other, block(file)), ...same },
      { ...consumerConfig('c', defaults, {}), ...same },
    );
  }
  assert.deepEqual(
    { ...batchConfig('b', latest, block('consumers/consumer_batchMessage')), ...same },
    { ...batchConfig('b', earliest, {}), ...same },
  );
});

test("every setting of a Dockerfile's ENV block can be set by the shell too", () => {
  const names = read('lib/shell.env')
    .split('\n')
    .filter((line) => /^\w+$/.test(line));
  for (const file of [
    'producer/producer',
    'consumers/consumer_fromOldest',
    'consumers/consumer_batchMessage',
  ])
    for (const name of Object.keys(block(file))) assert.ok(names.includes(name), name);
});

function block(file: string): Record<string, string> {
  const settings = dockerfileEnvironment(read(`${file}.dockerfile`));
  assert.ok(Object.keys(settings).length >= 4, 'the ENV block was found');
  return settings;
}

test('the Dockerfiles differ in what is compiled, in what is started and in the settings', () => {
  const steps = [
    'producer/producer',
    'consumers/consumer_fromOldest',
    'consumers/consumer_fromNewest',
    'consumers/consumer_batchMessage',
  ].map((file) => {
    const text = read(`${file}.dockerfile`);
    return text
      .slice(0, text.indexOf('# Settings:'))
      .replaceAll(file, 'SERVICE')
      .replace(/(SERVICE\.ts) \w+\//, '$1');
  });
  assert.match(steps[0] as string, /^CMD \["node", "SERVICE\.js"\]$/m);
  for (const other of steps) assert.equal(other, steps[0]);
});

test('the address of a broker may be one of IPv6, in brackets', () => {
  const { brokers } = producerConfig('test', { KAFKA_BROKERS: '[::1]:9092,kafka:29092' });
  assert.deepEqual(brokers, ['[::1]:9092', 'kafka:29092']);
  for (const KAFKA_BROKERS of ['::1:9092', '[::1]', '[::1:9092'])
    assert.throws(() => producerConfig('test', { KAFKA_BROKERS }), /comma-separated list of host:port/);
});

test('a time zone that nobody knows is an error, not UTC', () => {
  for (const TZ of ['Europe/Berlin', 'UTC', ':/etc/localtime']) producerConfig('test', { TZ });
  assert.throws(
    () => producerConfig('test', { TZ: 'Europe/Pariss' }),
    /^Error: TZ is "Europe\/Pariss": a time zone/,
  );
});

test('.env is read as editors on Windows write it, too', () => {
  const before = process.cwd();
  const folder = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));
  try {
    process.chdir(folder);
    for (const [bytes, name] of [
      [Buffer.from('\ufeffBATCH_SIZE=7\r\n', 'utf16le'), 'UTF-16'],
      [Buffer.from('\ufeffBATCH_SIZE=7\r\n'), 'UTF-8 with a mark'],
    ] as const) {
      writeFileSync('.env', bytes);
      assert.equal(readEnvironment().BATCH_SIZE, '7', name);
    }
  } finally {
    process.chdir(before);
    rmSync(folder, { recursive: true });
  }
});

test('TZ in .env is the time zone of the process', () => {
  const folder = mkdtempSync(join(tmpdir(), 'settings-'));
  const { TZ: _, ...environment } = process.env;
  try {
    writeFileSync(join(folder, '.env'), 'TZ=Asia/Tokyo\n');
    const time = (env: NodeJS.ProcessEnv) =>
      execFileSync(
        process.execPath,
        [
          ...['-r', join(ROOT, 'compiled.js'), '-e'],
          `require(process.argv[1]).producerConfig('test'); console.log(new Date(0).getHours())`,
          join(ROOT, 'lib', 'settings', 'settings.ts'),
        ],
        { cwd: folder, env, encoding: 'utf8' },
      ).trim();
    assert.equal(time(environment), '9');
    assert.equal(time({ ...environment, TZ: 'America/New_York' }), '19', "the shell's is in force over it");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

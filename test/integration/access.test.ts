/** On a cluster with an authorizer, the services need what docs/real-cluster.md lists, no more; and with tokens they go on. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs';
import { offsets, range, sent } from '../../harness/log';
import { type Recorded, type ServiceName, startService, until } from '../../harness/service';
import { openView } from '../../harness/view';
import { freePort } from '../../local/broker';
import { messages, ofCoordinator } from '../support/kafka';
import { plain, SUPER_USER, useSecureKafka } from '../support/secure';
import { CLIENT_SECRET, startTokenEndpoint } from '../support/tokens';

const kafka = useSecureKafka();
type Settings = Record<string, string>;

type Operation = 'READ' | 'WRITE' | 'CREATE' | 'DELETE' | 'DESCRIBE';

/** Allows the user these operations, and no other but what Kafka takes them to include. */
async function allow(
  user: string,
  kind: 'TOPIC' | 'GROUP',
  name: string,
  ...operations: Operation[]
): Promise<void> {
  await kafka.admin.createAcls({
    acl: operations.map((operation) => ({
      resourceType: AclResourceTypes[kind],
      resourceName: name.replace('*', ''),
      resourcePatternType: name.endsWith('*') ? ResourcePatternTypes.PREFIXED : ResourcePatternTypes.LITERAL,
      principal: `User:${user}`,
      host: '*',
      operation: AclOperationTypes[operation],
      permissionType: AclPermissionTypes.ALLOW,
    })),
  });
}

/** Takes from the user all that it was allowed there. */
async function forbid(user: string, kind: 'TOPIC' | 'GROUP', name: string): Promise<void> {
  await kafka.admin.deleteAcls({
    filters: [
      {
        resourceType: AclResourceTypes[kind],
        resourceName: name,
        resourcePatternType: ResourcePatternTypes.LITERAL,
        principal: `User:${user}`,
        operation: AclOperationTypes.ANY,
        permissionType: AclPermissionTypes.ALLOW,
      },
    ],
  });
}

const settings = (
  user: string,
  topic: string,
  more: Settings = {},
): Settings & { KAFKA_BROKERS: string; KAFKA_TOPIC: string } => ({
  ...kafka.settings('login', plain(user)),
  KAFKA_TOPIC: topic,
  SEND_INTERVAL_MS: '100',
  ...more,
});

const groups = async () =>
  (await ofCoordinator(() => kafka.admin.listGroups())).groups.map(({ groupId }) => groupId);

test('with these ACLs and no others, all services work', async () => {
  const topic = `test-${randomUUID()}`;
  // The producer makes the topic.
  await allow('writer', 'TOPIC', topic, 'CREATE', 'WRITE');
  await allow('reader', 'TOPIC', topic, 'READ');
  await allow('reader', 'GROUP', 'consumer_*', 'READ', 'DELETE');
  await allow('viewer', 'TOPIC', topic, 'READ');
  await allow('viewer', 'GROUP', 'consumer_*', 'DESCRIBE');
  const producer = startService('kafka-producer', settings('writer', topic));
  await producer.shows('messages', (lines) => sent(lines).length >= 5);
  const consumers = (['consumer_from_oldest', 'consumer_from_newest', 'consumer_batch_message'] as const).map(
    (name) => startService(name, settings('reader', topic)),
  );
  for (const consumer of consumers) await consumer.shows('messages', (lines) => offsets(lines).length >= 5);
  const view = await openView(settings('viewer', topic));
  await until('all that there is in the view', async () => {
    const { picture, messages: seen } = await view.state();
    return Object.keys(picture.groups).length === 3 && Object.values(seen).flat().length > 5;
  });
  for (const service of [producer, ...consumers, view.service]) {
    assert.equal(await service.stop(), 0);
    assert.deepEqual(service.errors, []);
    assert.doesNotMatch(service.lines.join('\n'), /Held up|S3NTINEL/);
  }
  assert.deepEqual(await groups(), [], 'the groups were deleted');
});

/** Starts it, and gives the one line that it ends with. */
async function end(name: ServiceName, of: Settings): Promise<string> {
  const service = startService(name, of);
  const { code } = await service.exit;
  assert.equal(code, 1, service.lines.join('\n'));
  assert.deepEqual(service.errors.length, 1, service.errors.join('\n'));
  assert.doesNotMatch(service.lines.join('\n'), /Held up/);
  return service.errors[0] as string;
}

test('without one of them, a service ends with what Kafka calls it and what to allow', async () => {
  const [topic, onlyDescribed] = [await kafka.createTopic(), await kafka.createTopic()];
  const missing = `test-${randomUUID()}`;
  await allow('writer', 'TOPIC', missing, 'WRITE');
  await allow('reader', 'TOPIC', topic, 'READ');
  await allow('reader', 'TOPIC', onlyDescribed, 'DESCRIBE');
  await allow('reader', 'GROUP', 'mine', 'READ');
  const lines = await Promise.all([
    end('kafka-producer', settings('writer', topic)),
    end('kafka-producer', settings('writer', missing)),
    end('consumer_from_oldest', settings('reader', onlyDescribed, { GROUP_ID: 'mine' })),
    end('consumer_from_newest', settings('reader', topic, { GROUP_ID: 'theirs' })),
    // Nothing that it may write to.
    end('kafka-producer', settings('reader', onlyDescribed)),
  ]);
  for (const line of lines.slice(0, 3))
    assert.match(
      line,
      /^TOPIC_AUTHORIZATION_FAILED: .*; allow this client to use the topic .* create it yourself$/,
    );
  assert.match(
    lines[3] as string,
    /^GROUP_AUTHORIZATION_FAILED: .*; allow this client to use the group \(Read\)/,
  );
  assert.match(
    lines[4] as string,
    /^CLUSTER_AUTHORIZATION_FAILED: .*; allow this client to write to the topic/,
  );
});

test('a topic that may not be created is used where it is there, and a group that may not be deleted stays', async () => {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 3));
  await allow('reader', 'TOPIC', topic, 'READ');
  await allow('reader', 'GROUP', 'kept', 'READ');
  const oldest = startService('consumer_from_oldest', settings('reader', topic, { GROUP_ID: 'kept' }));
  await oldest.shows('messages', (lines) => offsets(lines).length === 3);
  assert.equal(await oldest.stop(), 0);
  assert.deepEqual(oldest.errors, []);
  assert.ok((await groups()).includes('kept'));
});

test('an ACL that is taken away while services run holds them up until it is given back, and nothing is lost', async () => {
  const topic = await kafka.createTopic();
  const theirs = randomUUID();
  await allow('writer', 'TOPIC', topic, 'WRITE');
  await allow('reader', 'TOPIC', topic, 'READ');
  await allow('reader', 'GROUP', theirs, 'READ');
  await allow('reader', 'GROUP', 'consumer_*', 'READ');
  const [producer, oldest, batch] = [
    startService('kafka-producer', settings('writer', topic)),
    startService('consumer_from_oldest', settings('reader', topic)),
    startService('consumer_batch_message', settings('reader', topic, { GROUP_ID: theirs, BATCH_SIZE: '5' })),
  ];
  for (const consumer of [oldest, batch])
    await consumer.shows('messages', (lines) => offsets(lines).length >= 5);

  await forbid('writer', 'TOPIC', topic);
  await forbid('reader', 'TOPIC', topic);
  await forbid('reader', 'GROUP', theirs);
  for (const [service, name] of [
    [producer, 'TOPIC'],
    [oldest, 'TOPIC'],
    [batch, '(TOPIC|GROUP)'],
  ] as const)
    assert.match(
      await service.line('why', (line) => line.startsWith('Held up: ')),
      new RegExp(`^Held up: ${name}_AUTHORIZATION_FAILED: .*; allow this client to use .*; trying again$`),
    );

  await allow('reader', 'GROUP', theirs, 'READ');
  await allow('reader', 'TOPIC', topic, 'READ');
  await allow('writer', 'TOPIC', topic, 'WRITE');
  for (const service of [producer, oldest, batch])
    await service.line('the end of it', (line) => line.startsWith('Going on after '));
  const before = sent(producer.lines).length;
  await producer.shows('more', (lines) => sent(lines).length >= before + 10);
  assert.equal(await producer.stop(), 0);
  const all = range(0, sent(producer.lines).length);
  assert.deepEqual(
    sent(producer.lines).map(({ offset }) => offset),
    all,
  );
  for (const consumer of [oldest, batch]) {
    await consumer.shows('all of them', (lines) => new Set(offsets(lines)).size === all.length);
    assert.equal(await consumer.stop(), 0);
    assert.deepEqual(consumer.errors, []);
  }
});

const withTokens = (url: string, topic: string, more: Settings = {}) => ({
  ...kafka.settings('token'),
  KAFKA_SASL_MECHANISM: 'OAUTHBEARER',
  KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: url,
  KAFKA_SASL_OAUTHBEARER_CLIENT_ID: 'demo',
  KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: CLIENT_SECRET,
  KAFKA_TOPIC: topic,
  SEND_INTERVAL_MS: '200',
  ...more,
});

/** The endpoint of the tests has no TLS, of which the services warn. */
const errors = (service: Recorded) => service.errors.filter((line) => !/without https/.test(line));

test('tokens are renewed in time, one for all clients of a process, and the work goes on', async () => {
  const endpoint = await startTokenEndpoint(await freePort(), SUPER_USER, 10);
  const topic = await kafka.createTopic();
  const [producer, oldest] = (['kafka-producer', 'consumer_from_oldest'] as const).map((name) =>
    startService(name, withTokens(endpoint.url, topic, { KAFKA_SASL_OAUTHBEARER_CLIENT_ID: name })),
  ) as [Recorded, Recorded];
  const started = Date.now();
  await until('four tokens for each', () =>
    ['kafka-producer', 'consumer_from_oldest'].every((name) => (endpoint.asked.get(name) ?? 0) >= 4),
  );
  const seconds = (Date.now() - started) / 1000;
  assert.ok(seconds > 2 * endpoint.life * 0.6, `${seconds} s`);
  const before = sent(producer.lines).length;
  await producer.shows('more', (lines) => sent(lines).length >= before + 10);
  assert.equal(await producer.stop(), 0);
  const all = range(0, sent(producer.lines).length);
  await oldest.shows('all of them', (lines) => offsets(lines).length >= all.length);
  assert.equal(await oldest.stop(), 0);
  assert.deepEqual(offsets(oldest.lines), all, 'each once: it has kept its place in the group');
  for (const service of [producer, oldest]) {
    assert.deepEqual(errors(service), []);
    assert.doesNotMatch(service.lines.join('\n'), /Held up|lost|S3NTINEL/);
  }
  endpoint.stop();
});

test('a token that is refused, by its endpoint or by the broker, ends a service', async () => {
  const endpoint = await startTokenEndpoint(await freePort(), SUPER_USER, 3600);
  const lapsed = await startTokenEndpoint(await freePort(), SUPER_USER, -3600);
  const secret = { KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: 'wrong-S3NTINEL' };
  const services = [
    startService('kafka-producer', withTokens(endpoint.url, 'never', secret)),
    startService('consumer_from_oldest', withTokens(lapsed.url, 'never')),
  ];
  const lines: string[] = [];
  for (const service of services) {
    assert.equal((await service.exit).code, 1);
    assert.deepEqual(service.lines, []);
    assert.equal(errors(service).length, 1);
    lines.push(...errors(service));
  }
  assert.match(
    lines[0] as string,
    /^OAUTHBEARER_TOKEN_REFUSED: http:\/\/localhost:\d+\/token answers 401 invalid_client, and no token; check KAFKA_SASL_OAUTHBEARER_/,
  );
  assert.match(
    lines[1] as string,
    /^SASL_AUTHENTICATION_FAILED: .*invalid_token.*; check the user and the password, or the token/,
  );
  assert.doesNotMatch(lines.join('\n'), /S3NTINEL/);
  endpoint.stop();
  lapsed.stop();
});

test('a token endpoint that is away holds a service up until it is back', async () => {
  const port = await freePort();
  const topic = await kafka.createTopic();
  const producer = startService('kafka-producer', withTokens(`http://localhost:${port}/token`, topic));
  assert.match(
    await producer.line('what holds it up', (line) => line.startsWith('Held up: ')),
    /^Held up: OAUTHBEARER_TOKEN_UNAVAILABLE: http:\/\/localhost:\d+\/token can't be asked for a token \(ECONNREFUSED\); trying again$/,
  );
  const endpoint = await startTokenEndpoint(port, SUPER_USER, 3600);
  await producer.line('the end of it', (line) => line.startsWith('Going on after '));
  await producer.shows('messages', (lines) => sent(lines).length >= 3);
  assert.equal(await producer.stop(), 0);
  assert.deepEqual(errors(producer), []);
  assert.equal(endpoint.asked.get('demo'), 1);
  endpoint.stop();
});

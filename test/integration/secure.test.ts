/** On a cluster that wants TLS and logins, all is as without; who is not let in is told why, in one line, and soon. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { copyFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { offsets, range, sent } from '../../harness/log';
import { type Recorded, type ServiceName, startService } from '../../harness/service';
import { freePort } from '../../local/broker';
import { Authority } from '../support/certificates';
import { messages } from '../support/kafka';
import { pace } from '../support/pace';
import { plain, SUPER_USER, useSecureKafka } from '../support/secure';

const kafka = useSecureKafka();
type Settings = Record<string, string>;

const client = kafka.authority.sign('client');
const clientFiles = { KAFKA_SSL_CERT_FILE: client.cert, KAFKA_SSL_KEY_FILE: client.key };

/** On a busy machine that is true, too. */
const said = ({ lines }: Recorded) =>
  lines.filter((line) => !/^Broker (lost: Connection timeout|back)/.test(line));

/** Both sides of the topic work with these settings. */
async function worksWith(settings: Settings): Promise<void> {
  const topic = await kafka.createTopic();
  await kafka.write(topic, messages(0, 5));
  const services = (['kafka-producer', 'consumer_from_oldest'] as const).map((name) =>
    startService(name, { ...settings, KAFKA_TOPIC: topic, SEND_INTERVAL_MS: '100' }),
  );
  const [producer, oldest] = services as [Recorded, Recorded];
  await producer.shows('messages', (lines) => sent(lines).length >= 5);
  await oldest.shows('all of them', (lines) => offsets(lines).length >= 10);
  assert.deepEqual(offsets(oldest.lines).slice(0, 10), range(0, 10));
  for (const service of services) {
    assert.equal(await service.stop(), 0);
    assert.doesNotMatch(said(service).concat(service.errors).join('\n'), /S3NTINEL|Held up|lost/);
  }
  const warnings = settings.KAFKA_SECURITY_PROTOCOL === 'SASL_PLAINTEXT' ? 1 : 0;
  assert.equal(producer.errors.length, warnings, producer.errors.join('\n'));
}

test('over TLS, with the authority that has signed the certificate of the broker, or the one above it', async () => {
  // The first group has to wait for Kafka's own topic: that is none of the services' troubles.
  await kafka.committed('nobody', await kafka.createTopic());
  await Promise.all([worksWith(kafka.settings('tls')), worksWith(kafka.settings('chained'))]);
});

test('over TLS that wants a certificate of its clients', () =>
  worksWith(kafka.settings('mutual', clientFiles)));

test('with a user and a password, in the environment and in a file, by PLAIN and by SCRAM', async () => {
  await kafka.setPassword(SUPER_USER, 'scr4m-S3NTINEL');
  const file = join(kafka.folder, 'password');
  writeFileSync(file, 'scr4m-S3NTINEL\n');
  const { KAFKA_SASL_PASSWORD: _, ...user } = plain(SUPER_USER);
  const fromFile = { ...user, KAFKA_SASL_PASSWORD_FILE: file, KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512' };
  await Promise.all([
    worksWith(kafka.settings('bare', plain(SUPER_USER))),
    worksWith(kafka.settings('login', fromFile)),
  ]);
});

/** How soon a service that is not let in must say so, in ms: 10 s; longer where a process takes longer than 1 s to start. */
const soon = async () => 10_000 * (await pace());

/** Starts it on settings that it can't work with: it ends with one line. */
async function endsWith(name: ServiceName, settings: Settings, line: RegExp): Promise<void> {
  const started = Date.now();
  const limit = soon();
  const service = startService(name, { KAFKA_TOPIC: 'never', ...settings });
  const { code } = await service.exit;
  const took = Date.now() - started;
  assert.deepEqual([code, said(service)], [1, []], service.errors.join('\n'));
  assert.equal(service.errors.length, 1, service.errors.join('\n'));
  assert.match(service.errors[0] as string, line);
  assert.doesNotMatch(service.errors[0] as string, /S3NTINEL|\n/);
  assert.ok(took < (await limit), `${took} ms`);
}

/** As endsWith, where time may mend it: it says so in one line, and tries on. */
async function isHeldUp(name: ServiceName, settings: Settings, line: RegExp): Promise<void> {
  const started = Date.now();
  const limit = soon();
  const service = startService(name, { KAFKA_TOPIC: 'never', ...settings });
  assert.match(await service.line('why it is not let in', (text) => text.startsWith('Held up: ')), line);
  const took = Date.now() - started;
  assert.ok(took < (await limit), `${took} ms`);
  assert.equal(await service.stop(), 0);
  assert.deepEqual([said(service).length, service.errors], [1, []], service.lines.join('\n'));
}

test('a certificate that is not to be trusted ends a service, with the setting to look at', async () => {
  const stranger = new Authority(join(kafka.folder, 'stranger'));
  const tls = kafka.settings('tls');
  const { KAFKA_SSL_CA_FILE: _, ...noAuthority } = tls;
  const notTrusted =
    /^[A-Z_]+: .*; set KAFKA_SSL_CA_FILE to the certificate of who has signed that of the broker$/;
  await Promise.all([
    endsWith('kafka-producer', { ...tls, KAFKA_SSL_CA_FILE: stranger.cert }, notTrusted),
    endsWith('consumer_from_newest', noAuthority, notTrusted),
    endsWith(
      'consumer_batch_message',
      kafka.settings('expired'),
      /^CERT_HAS_EXPIRED: certificate has expired; renew the certificate of the broker, or set the clock/,
    ),
    endsWith(
      'kafka-producer',
      { ...tls, KAFKA_BROKERS: `127.0.0.1:${kafka.port('tls')}` },
      /^ERR_TLS_CERT_ALTNAME_INVALID: .*127\.0\.0\.1.*; let KAFKA_BROKERS, and advertised\.listeners/,
    ),
    endsWith(
      'consumer_from_oldest',
      kafka.settings('weak'),
      /^UNSPECIFIED: CA signature digest algorithm too weak; the certificate of the broker, or .* have another one made$/,
    ),
    endsWith(
      'kafka-producer',
      kafka.settings('chained', { KAFKA_SSL_CA_FILE: kafka.below.cert }),
      /^UNABLE_TO_GET_ISSUER_CERT: .*; add to KAFKA_SSL_CA_FILE the certificates above, up to/,
    ),
  ]);
});

test('a certificate of ours that is not there, or not to be trusted, ends a service', async () => {
  const other = new Authority(join(kafka.folder, 'other')).sign('client');
  const mutual = kafka.settings('mutual');
  const otherFiles = { KAFKA_SSL_CERT_FILE: other.cert, KAFKA_SSL_KEY_FILE: other.key };
  await Promise.all([
    endsWith(
      'consumer_from_oldest',
      mutual,
      /^ERR_SSL_\w+: .*; the broker wants a certificate .*KAFKA_SSL_CERT_FILE/,
    ),
    endsWith(
      'kafka-producer',
      { ...mutual, ...otherFiles },
      /^ERR_SSL_\w+: .*certificate.*KAFKA_SSL_CERT_FILE/,
    ),
  ]);
});

test('a login that is refused ends a service, with the settings to look at', async () => {
  const wrong = { KAFKA_SASL_PASSWORD: 'wrong-S3NTINEL' };
  const as = (settings: Settings) => ({ ...plain(SUPER_USER), ...settings });
  const { KAFKA_BROKERS: login } = kafka.settings('login');
  const refused = (says: string) =>
    new RegExp(`^SASL_AUTHENTICATION_FAILED: .*${says}.*; check the user and the password`);
  await Promise.all([
    endsWith('kafka-producer', kafka.settings('login', as(wrong)), refused('Invalid username or password')),
    // One broker that is away is no reason to try another one again that keeps us out.
    endsWith(
      'kafka-producer',
      kafka.settings('login', as({ ...wrong, KAFKA_BROKERS: `localhost:1,${login}` })),
      refused('Invalid username or password'),
    ),
    endsWith(
      'consumer_from_oldest',
      kafka.settings('login', as({ ...wrong, KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512' })),
      refused('invalid credentials'),
    ),
    endsWith(
      'consumer_from_newest',
      kafka.settings('login', as({ KAFKA_SASL_MECHANISM: 'SCRAM-SHA-256', KAFKA_SASL_USERNAME: 'nobody' })),
      refused('invalid credentials'),
    ),
    endsWith(
      'consumer_batch_message',
      kafka.settings('token', plain(SUPER_USER)),
      /^UNSUPPORTED_SASL_MECHANISM: .*; set KAFKA_SASL_MECHANISM to one that the broker has enabled$/,
    ),
    endsWith(
      'kafka-producer',
      kafka.settings('tls', as({ KAFKA_SECURITY_PROTOCOL: 'SASL_SSL' })),
      /^ILLEGAL_SASL_STATE: .*; this port knows no login: let KAFKA_SECURITY_PROTOCOL be/,
    ),
  ]);
});

test('a port of another protocol is said: the other side only closes the connection, as one that starts may', async () => {
  const closes =
    /^Held up: CONNECTION_CLOSED: localhost:\d+ closes the connection; .*KAFKA_SECURITY_PROTOCOL/;
  const { KAFKA_BROKERS } = kafka.settings('tls');
  await Promise.all([
    isHeldUp('kafka-producer', { KAFKA_BROKERS: KAFKA_BROKERS as string }, closes),
    isHeldUp(
      'consumer_from_oldest',
      { ...kafka.settings('tls'), KAFKA_BROKERS: kafka.broker.brokers },
      closes,
    ),
    isHeldUp('kafka-producer', { ...kafka.settings('login'), KAFKA_SECURITY_PROTOCOL: 'SSL' }, closes),
  ]);
});

test('a login that is broken off is no wrong password: it is tried again', async () => {
  const LOGIN = 36;
  let cuts = 3;
  const port = await freePort();
  const proxy = createServer((socket) => {
    const broker = connect(kafka.port('bare'), '127.0.0.1');
    socket.on('data', (data) => {
      if (data.readInt16BE(4) === LOGIN && cuts-- > 0) socket.destroy();
      else broker.write(data);
    });
    broker.pipe(socket);
    for (const one of [socket, broker])
      one.on('error', () => {}).on('close', () => [socket, broker].map((all) => all.destroy()));
  }).listen(port, 'localhost');
  const topic = await kafka.createTopic();
  const settings = kafka.settings('bare', {
    ...plain(SUPER_USER),
    KAFKA_BROKERS: `localhost:${port}`,
    KAFKA_TOPIC: topic,
  });
  const producer = startService('kafka-producer', settings);
  await producer.shows('messages', (lines) => sent(lines).length >= 2);
  assert.ok(cuts <= 0, 'each login was broken off, until the last one');
  assert.equal(await producer.stop(), 0);
  proxy.close();
});

test('a password that changes while services run holds them up until its file has it, and nothing is lost', async () => {
  await kafka.setPassword(SUPER_USER, 'old-S3NTINEL');
  const file = join(kafka.folder, 'changing');
  writeFileSync(file, 'old-S3NTINEL\n');
  const settings = {
    ...kafka.settings('login'),
    KAFKA_SASL_MECHANISM: 'SCRAM-SHA-256',
    KAFKA_SASL_USERNAME: SUPER_USER,
    KAFKA_SASL_PASSWORD_FILE: file,
  };
  await heldUpUntilRenewed(settings, {
    change: () => kafka.setPassword(SUPER_USER, 'new-S3NTINEL'),
    line: /^Held up: SASL_AUTHENTICATION_FAILED: .*; check the user and the password.*; trying again$/,
    renew: () => writeFileSync(file, 'new-S3NTINEL\n'),
  });
});

test('a certificate of ours that is worth nothing any more holds services up until its files are renewed', async () => {
  const [cert, key] = ['renewed.cert', 'renewed.key'].map((name) => join(kafka.folder, name)) as [
    string,
    string,
  ];
  const put = (from: { cert: string; key: string }) => {
    copyFileSync(from.cert, cert);
    copyFileSync(from.key, key);
  };
  put(client);
  const settings = kafka.settings('mutual', { KAFKA_SSL_CERT_FILE: cert, KAFKA_SSL_KEY_FILE: key });
  const stranger = new Authority(join(kafka.folder, 'unknown')).sign('client');
  await heldUpUntilRenewed(settings, {
    change: async () => put(stranger),
    line: /^Held up: ERR_SSL_\w+: .*certificate.*KAFKA_SSL_CERT_FILE.*; trying again$/,
    renew: () => put(client),
  });
  await heldUpUntilRenewed(settings, {
    change: async () => copyFileSync(stranger.cert, cert),
    line: /^Held up: ERR_TLS_OWN_CERTIFICATE: key values mismatch; .* two that belong together; trying again$/,
    renew: () => put(client),
  });
});

/** Services at work lose their way in, and with it each connection; then they are held up until it is renewed. */
async function heldUpUntilRenewed(
  settings: Settings & { KAFKA_BROKERS: string },
  { change, line, renew }: { change: () => Promise<void>; line: RegExp; renew: () => void },
): Promise<void> {
  const topic = await kafka.createTopic();
  const services = (['kafka-producer', 'consumer_from_oldest'] as const).map((name) =>
    startService(name, {
      ...settings,
      KAFKA_TOPIC: topic,
      SEND_INTERVAL_MS: '200',
      GROUP_ID: randomUUID(),
    }),
  );
  const [producer, oldest] = services as [Recorded, Recorded];
  await oldest.shows('messages', (lines) => offsets(lines).length >= 3);
  await change();
  await kafka.broker.stopKafka();
  await kafka.broker.startKafka();
  for (const service of services) await service.line('why', (text) => line.test(text));
  renew();
  for (const service of services)
    await service.line('the end of it', (text) => text.startsWith('Going on after '));
  const before = sent(producer.lines).length;
  await producer.shows('more', (lines) => sent(lines).length >= before + 10);
  assert.equal(await producer.stop(), 0);
  const total = sent(producer.lines).length;
  assert.deepEqual(
    sent(producer.lines).map(({ offset }) => offset),
    range(0, total),
  );
  await oldest.shows('all of them', (lines) => new Set(offsets(lines)).size === total);
  assert.equal(await oldest.stop(), 0);
  for (const { lines, errors } of services) {
    assert.deepEqual(errors, []);
    assert.doesNotMatch(lines.join('\n'), /S3NTINEL/);
  }
}

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SECURITY_SETTINGS, securityConfig, securityWarnings } from '../../lib/settings/security';
import { consumerConfig, viewConfig } from '../../lib/settings/settings';
import { Authority } from '../support/certificates';

const folder = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));
after(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: string) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const authority = new Authority(join(folder, 'authority'));
const own = authority.sign('client');
const other = authority.sign('other');

/** In no line and no error, wherever it stands. */
const SENTINEL = 'S3NTINEL';

type Settings = Record<string, string>;

/** The lines that the settings are refused with; none where they are taken. */
function refusal(settings: Settings): string[] {
  try {
    consumerConfig('c', { autoOffsetReset: 'earliest' }, settings);
    return [];
  } catch (error) {
    return (error as Error).message.split('\n');
  }
}

const SSL = { KAFKA_SECURITY_PROTOCOL: 'SSL' };
const PLAIN = {
  KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
  KAFKA_SASL_MECHANISM: 'PLAIN',
  KAFKA_SASL_USERNAME: 'user',
  KAFKA_SASL_PASSWORD: SENTINEL,
};
const OAUTH = {
  KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
  KAFKA_SASL_MECHANISM: 'OAUTHBEARER',
  KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: 'https://login.example/token?tenant=1',
  KAFKA_SASL_OAUTHBEARER_CLIENT_ID: 'demo',
  KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: SENTINEL,
};
const without = (settings: Settings, ...names: string[]) =>
  Object.fromEntries(Object.entries(settings).filter(([name]) => !names.includes(name)));

test('without a setting there is neither TLS nor a login', () => {
  assert.deepEqual(securityConfig({}), {});
  assert.deepEqual(securityConfig({ KAFKA_SECURITY_PROTOCOL: 'PLAINTEXT' }), {});
});

test('each protocol is taken with what it needs', () => {
  assert.deepEqual(Object.keys(securityConfig(SSL)), ['tls']);
  assert.deepEqual(Object.keys(securityConfig(PLAIN)), ['tls', 'sasl']);
  for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']) {
    const { tls, sasl } = securityConfig({
      ...PLAIN,
      KAFKA_SASL_MECHANISM: mechanism,
      KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT',
    });
    assert.equal(tls, undefined);
    assert.ok(sasl && 'password' in sasl);
    assert.deepEqual([sasl.mechanism, sasl.username, sasl.password()], [mechanism, 'user', SENTINEL]);
  }
  const { sasl } = securityConfig({ ...OAUTH, KAFKA_SASL_OAUTHBEARER_SCOPE: 'kafka' });
  assert.ok(sasl && 'clientSecret' in sasl);
  assert.deepEqual(
    [sasl.endpoint.href, sasl.clientId, sasl.clientSecret(), sasl.scope],
    ['https://login.example/token?tenant=1', 'demo', SENTINEL, 'kafka'],
  );
});

test('what is missing is said, with what needs it and what to set', () => {
  for (const [settings, line] of [
    [{ KAFKA_SECURITY_PROTOCOL: 'SASL_SSL' }, 'KAFKA_SASL_MECHANISM is not set: SASL_SSL needs one; set it'],
    [without(PLAIN, 'KAFKA_SASL_USERNAME'), 'KAFKA_SASL_USERNAME is not set: PLAIN needs it; set it'],
    [
      without(PLAIN, 'KAFKA_SASL_PASSWORD'),
      'KAFKA_SASL_PASSWORD is not set: PLAIN needs it; set it, or KAFKA_SASL_PASSWORD_FILE',
    ],
    ...['TOKEN_ENDPOINT_URL', 'CLIENT_ID'].map(
      (name) =>
        [
          without(OAUTH, `KAFKA_SASL_OAUTHBEARER_${name}`),
          `KAFKA_SASL_OAUTHBEARER_${name} is not set: OAUTHBEARER needs it; set it`,
        ] as const,
    ),
    [
      without(OAUTH, 'KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET'),
      'KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET is not set: OAUTHBEARER needs it; set it, or KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET_FILE',
    ],
    [
      { ...SSL, KAFKA_SSL_CERT_FILE: own.cert },
      'KAFKA_SSL_KEY_FILE is not set: KAFKA_SSL_CERT_FILE needs its key; set it',
    ],
    [
      { ...SSL, KAFKA_SSL_KEY_FILE: own.key },
      'KAFKA_SSL_CERT_FILE is not set: KAFKA_SSL_KEY_FILE is of no use alone; set it',
    ],
  ] as const)
    assert.deepEqual(refusal(settings), [line]);
});

test('a setting that would have no effect is refused: whoever sets it counts on it', () => {
  const all = SECURITY_SETTINGS.filter((name) => /^KAFKA_(SSL|SASL)_/.test(name));
  const aValue = (name: string) =>
    /MECHANISM/.test(name) ? 'PLAIN' : /URL/.test(name) ? 'https://a/b' : SENTINEL;
  for (const name of all) {
    const [line = '', ...more] = refusal({ [name]: aValue(name) });
    assert.match(
      line,
      new RegExp(`^${name} is .*: it has no effect, for KAFKA_SECURITY_PROTOCOL is PLAINTEXT`),
    );
    assert.deepEqual(more, []);
  }
  assert.match(
    refusal({ ...SSL, KAFKA_SASL_USERNAME: 'user' })[0] ?? '',
    /^KAFKA_SASL_USERNAME is "user": it has no effect, for KAFKA_SECURITY_PROTOCOL is SSL, without a login; set SASL_SSL/,
  );
  assert.match(
    refusal({ ...OAUTH, KAFKA_SASL_PASSWORD: SENTINEL })[0] ?? '',
    /^KAFKA_SASL_PASSWORD is set: it has no effect, for OAUTHBEARER uses none/,
  );
  assert.match(
    refusal({ ...PLAIN, KAFKA_SASL_OAUTHBEARER_SCOPE: 'a' })[0] ?? '',
    /^KAFKA_SASL_OAUTHBEARER_SCOPE is "a": it has no effect, for PLAIN uses none/,
  );
});

test('a protocol, a mechanism, an address of tokens that is none is refused by name', () => {
  for (const [name, value] of [
    ['KAFKA_SECURITY_PROTOCOL', 'TLS'],
    ['KAFKA_SECURITY_PROTOCOL', 'ssl'],
    ['KAFKA_SASL_MECHANISM', 'GSSAPI'],
    ['KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL', 'login.example/token'],
    ['KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL', 'ftp://login.example/token'],
  ] as const)
    assert.match(
      refusal({ [name]: value })[0] ?? '',
      new RegExp(`^${name} is "${value}": .* is needed; change it`),
    );
  for (const name of SECURITY_SETTINGS)
    assert.match(refusal({ [name]: '' })[0] ?? '', new RegExp(`^${name} is set but empty: `));
});

test('a secret is read from a file, without the line feed at its end, and anew when the file is', () => {
  for (const content of ['in a file', 'in a file\n', 'in a file\r\n']) {
    const path = file('password', content);
    const { sasl } = securityConfig({
      ...without(PLAIN, 'KAFKA_SASL_PASSWORD'),
      KAFKA_SASL_PASSWORD_FILE: path,
    });
    assert.ok(sasl && 'password' in sasl);
    assert.equal(sasl.password(), 'in a file');
    writeFileSync(path, 'another one\n');
    assert.equal(sasl.password(), 'another one');
    // While it is being replaced.
    writeFileSync(path, '');
    assert.equal(sasl.password(), 'another one');
    rmSync(path);
    assert.equal(sasl.password(), 'another one');
  }
});

test('a file that cannot be read, is empty or is something else is said, with what it must be', () => {
  const nowhere = join(folder, 'nowhere');
  const empty = file('empty', '');
  const nothing = file('nothing', 'no PEM');
  for (const name of ['KAFKA_SSL_CA_FILE', 'KAFKA_SSL_CERT_FILE', 'KAFKA_SSL_KEY_FILE']) {
    const pair = { KAFKA_SSL_CERT_FILE: own.cert, KAFKA_SSL_KEY_FILE: own.key };
    for (const [path, problem] of [
      [nowhere, "the file can't be read (ENOENT)"],
      [folder, "the file can't be read (EISDIR)"],
      [empty, 'the file is empty'],
      [nothing, 'the file holds no '],
    ] as const) {
      const lines = refusal({ ...SSL, ...pair, [name]: path });
      assert.equal(lines.length, 1, lines.join('\n'));
      const is = name === 'KAFKA_SSL_KEY_FILE' ? `${name} is set` : `${name} is "${path}"`;
      assert.ok(lines[0]?.startsWith(`${is}: ${problem}`), lines[0]);
    }
  }
  assert.match(
    refusal({ ...without(PLAIN, 'KAFKA_SASL_PASSWORD'), KAFKA_SASL_PASSWORD_FILE: nowhere })[0] ?? '',
    /^KAFKA_SASL_PASSWORD_FILE is set: the file can't be read \(ENOENT\); set the path of one that can$/,
  );
  assert.match(
    refusal({ ...PLAIN, KAFKA_SASL_PASSWORD_FILE: empty })[0] ?? '',
    /so is KAFKA_SASL_PASSWORD, and/,
  );
});

test('a key must be the one of its certificate, and open with its password', () => {
  assert.deepEqual(refusal({ ...SSL, KAFKA_SSL_CERT_FILE: own.cert, KAFKA_SSL_KEY_FILE: own.key }), []);
  assert.deepEqual(refusal({ ...SSL, KAFKA_SSL_CERT_FILE: own.cert, KAFKA_SSL_KEY_FILE: other.key }), [
    'KAFKA_SSL_KEY_FILE is set: it is not the key of KAFKA_SSL_CERT_FILE; set the two that belong together',
  ]);
  const weak = authority.sign('weak', { newKey: ['-newkey', 'rsa:512', '-noenc'] });
  assert.deepEqual(refusal({ ...SSL, KAFKA_SSL_CERT_FILE: weak.cert, KAFKA_SSL_KEY_FILE: weak.key }), [
    `KAFKA_SSL_CERT_FILE is "${weak.cert}": TLS takes no such certificate (ee key too small); set another`,
  ]);
  const locked = { ...SSL, KAFKA_SSL_CERT_FILE: own.cert, KAFKA_SSL_KEY_FILE: authority.lock(own, SENTINEL) };
  assert.deepEqual(refusal({ ...locked, KAFKA_SSL_KEY_PASSWORD: SENTINEL }), []);
  assert.match(refusal(locked)[0] ?? '', /or one that needs KAFKA_SSL_KEY_PASSWORD/);
  assert.match(
    refusal({ ...locked, KAFKA_SSL_KEY_PASSWORD: 'wrong' })[0] ?? '',
    /that KAFKA_SSL_KEY_PASSWORD opens/,
  );
});

test('what is allowed and unsafe is said, once for each', () => {
  const warnings = (settings: Settings) => securityWarnings(securityConfig(settings));
  const bare = { KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT' };
  assert.match(warnings({ ...PLAIN, ...bare })[0] ?? '', /^PLAIN without TLS: .* has the password; /);
  assert.match(warnings({ ...OAUTH, ...bare })[0] ?? '', /^OAUTHBEARER without TLS: .* has the token; /);
  for (const settings of [
    {},
    SSL,
    PLAIN,
    OAUTH,
    { ...PLAIN, ...bare, KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512' },
  ])
    assert.deepEqual(warnings(settings), []);
  const url = { KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: 'http://login.example/token' };
  assert.match(warnings({ ...OAUTH, ...url })[0] ?? '', /has the client secret$/);
});

test('a secret is in no error, wherever it was put by mistake, and in nothing that is printed of a config', () => {
  const lines = SECURITY_SETTINGS.filter((name) => /PASSWORD|SECRET|KEY_FILE/.test(name)).flatMap((name) =>
    [{}, SSL, PLAIN, OAUTH].flatMap((others) => refusal({ ...others, [name]: SENTINEL })),
  );
  lines.push(
    ...refusal({ KAFKA_BROKERS: `https://user:${SENTINEL}@kafka:9092` }),
    ...refusal({
      ...OAUTH,
      KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: `https://demo:${SENTINEL}@login.example/`,
    }),
  );
  assert.ok(lines.length > 20);
  assert.doesNotMatch(lines.join('\n'), new RegExp(SENTINEL));
  const config = viewConfig('v', PLAIN);
  assert.doesNotMatch(
    JSON.stringify(config) + require('node:util').inspect(config, { depth: 9 }),
    /S3NTINEL/,
  );
});

test('each of these settings can be set by the shell, and is in the table of docs/real-cluster.md', () => {
  const read = (path: string) => readFileSync(join(__dirname, '..', '..', path), 'utf8');
  const names = read('lib/shell.env').split('\n');
  const table = read('docs/real-cluster.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .join();
  for (const name of SECURITY_SETTINGS) {
    assert.ok(names.includes(name), name);
    assert.ok(table.includes(`\`${name}\``), name);
  }
});

/** A real broker that listens in each way that a cluster may want its clients to come: TLS, logins, an authorizer. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { freePort } from '../../local/broker';
import { Authority } from './certificates';
import { type TestKafka, useKafka } from './kafka';
import { kafkaTool } from './tools';

const LISTENERS = {
  tls: 'SSL',
  /** As tls, but it wants a certificate of its clients. */
  mutual: 'SSL',
  /** With a certificate that has expired. */
  expired: 'SSL',
  /** With a certificate whose signature is too weak for anybody. */
  weak: 'SSL',
  /** With a certificate of an authority below the one whose certificate our services have. */
  chained: 'SSL',
  /** PLAIN, SCRAM-SHA-256, SCRAM-SHA-512. */
  login: 'SASL_SSL',
  /** As login, without TLS. */
  bare: 'SASL_PLAINTEXT',
  /** OAUTHBEARER, with tokens that nobody has signed. */
  token: 'SASL_SSL',
};
export type Listener = keyof typeof LISTENERS;
type Settings = Record<string, string>;

/** Of all users of PLAIN. */
export const PASSWORD = 'pl4in-S3NTINEL';
/** May do everything. */
export const SUPER_USER = 'super';
/** May do nothing until there is an ACL. */
const USERS = ['writer', 'reader', 'viewer'] as const;

export interface SecureKafka extends TestKafka {
  /** Whose certificate signs those of the broker, and of clients that it trusts. */
  authority: Authority;
  /** Signs the certificate of `chained`, and has its own from `authority`. */
  below: Authority;
  folder: string;
  port(listener: Listener): number;
  /** Where clients are told to come for that listener: its own port, unless it is proxied. */
  advertisedPort(listener: Listener): number;
  /** What a service needs to come to that listener, but for who it is. */
  settings(listener: Listener, more?: Settings): Settings & { KAFKA_BROKERS: string };
  /** Sets the user's password for SCRAM. */
  setPassword(user: string, password: string): Promise<void>;
}

/** What a service needs to log in by PLAIN. */
export const plain = (user: string): Settings => ({
  KAFKA_SASL_MECHANISM: 'PLAIN',
  KAFKA_SASL_USERNAME: user,
  KAFKA_SASL_PASSWORD: PASSWORD,
});

/**
 * As useKafka, and its own client comes without TLS and a login, and may do everything.
 *
 * @param proxied clients are told to come to these by another port: a proxy of the test's
 */
export function useSecureKafka({ proxied = [] }: { proxied?: readonly Listener[] } = {}): SecureKafka {
  const folder = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));
  const authority = new Authority(join(folder, 'authority'));
  const below = new Authority(join(folder, 'below'), authority);
  const ports = {} as Record<Listener, number>;
  const advertised = {} as Record<Listener, number>;
  const names = Object.keys(LISTENERS) as Listener[];
  const kafka = useKafka({
    properties: async (port) => {
      for (const name of names) {
        ports[name] = await freePort();
        advertised[name] = proxied.includes(name) ? await freePort() : ports[name];
      }
      const listeners = (host: string, at: Record<Listener, number>) =>
        [`PLAINTEXT://${host}:${port}`, ...names.map((name) => `${name}://${host}:${at[name]}`)].join(',');
      const pem = (name: Listener, how: Parameters<Authority['sign']>[1] = {}, by = authority) => ({
        [`listener.name.${name}.ssl.keystore.type`]: 'PEM',
        [`listener.name.${name}.ssl.keystore.location`]: by.keyStore(by.sign(name, how)),
        [`listener.name.${name}.ssl.truststore.type`]: 'PEM',
        [`listener.name.${name}.ssl.truststore.location`]: authority.cert,
      });
      const security = 'org.apache.kafka.common.security';
      const withPassword = (name: Listener) => ({
        [`listener.name.${name}.sasl.enabled.mechanisms`]: 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
        [`listener.name.${name}.plain.sasl.jaas.config`]: [
          `${security}.plain.PlainLoginModule required`,
          ...[SUPER_USER, ...USERS].map((user) => `user_${user}="${PASSWORD}"`),
        ]
          .join(' ')
          .concat(';'),
        [`listener.name.${name}.scram-sha-256.sasl.jaas.config`]: `${security}.scram.ScramLoginModule required;`,
        [`listener.name.${name}.scram-sha-512.sasl.jaas.config`]: `${security}.scram.ScramLoginModule required;`,
      });
      return {
        listeners: listeners('127.0.0.1', ports),
        'advertised.listeners': listeners('localhost', advertised),
        'listener.security.protocol.map': [
          'PLAINTEXT:PLAINTEXT',
          ...names.map((name) => `${name}:${LISTENERS[name]}`),
        ].join(','),
        'inter.broker.listener.name': 'PLAINTEXT',
        ...pem('tls'),
        ...pem('mutual'),
        'listener.name.mutual.ssl.client.auth': 'required',
        ...pem('expired', { isExpired: true }),
        ...pem('weak', { digest: 'sha1' }),
        ...pem('chained', {}, below),
        ...pem('login'),
        ...withPassword('login'),
        ...withPassword('bare'),
        ...pem('token'),
        'listener.name.token.sasl.enabled.mechanisms': 'OAUTHBEARER',
        'listener.name.token.oauthbearer.sasl.jaas.config': `${security}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
        // The session ends with its token.
        'listener.name.token.oauthbearer.connections.max.reauth.ms': 3_600_000,
        'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
        'super.users': ['ANONYMOUS', SUPER_USER, 'CN=client'].map((name) => `User:${name}`).join(';'),
      };
    },
  }) as SecureKafka;
  after(() => rmSync(folder, { recursive: true }));

  kafka.authority = authority;
  kafka.below = below;
  kafka.folder = folder;
  kafka.port = (listener) => ports[listener];
  kafka.advertisedPort = (listener) => advertised[listener];
  kafka.settings = (listener, more = {}) => ({
    KAFKA_BROKERS: `localhost:${advertised[listener]}`,
    KAFKA_SECURITY_PROTOCOL: LISTENERS[listener],
    ...(LISTENERS[listener].endsWith('SSL') ? { KAFKA_SSL_CA_FILE: authority.cert } : {}),
    ...more,
  });
  kafka.setPassword = async (user, password) => {
    const both = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].map((name) => `${name}=[password=${password}]`).join(',');
    const entity = ['--entity-type', 'users', '--entity-name', user];
    await kafkaTool('kafka-configs', kafka.broker.brokers, '--alter', '--add-config', both, ...entity);
  };
  return kafka;
}

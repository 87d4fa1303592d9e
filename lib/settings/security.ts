/** The settings of a cluster that wants TLS or a login; docs/real-cluster.md has them as a table. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { describe, type Environment, oneOf, text, validate, webAddress } from './validate';

/**
 * Reads a secret, or a file of TLS, when it is needed: a file that is written anew counts from the next connection on.
 * No object holds the secret itself, so none that is printed shows it.
 */
export type Read = () => string;

/** How to talk to the brokers: without TLS where there is no `tls`, and without a login where there is no `sasl`. */
export interface Security {
  tls?: Tls;
  sasl?: PasswordLogin | OAuthLogin;
}

/** In PEM. Without `ca`, the broker's certificate must be signed by one of those that Node.js trusts. */
export interface Tls {
  ca?: Read;
  cert?: Read;
  key?: Read;
  passphrase?: Read;
}

export interface PasswordLogin {
  mechanism: (typeof WITH_PASSWORD)[number];
  username: string;
  password: Read;
}

/** A token for the client's own credentials (RFC 6749, section 4.4). */
export interface OAuthLogin {
  mechanism: 'OAUTHBEARER';
  endpoint: URL;
  clientId: string;
  clientSecret: Read;
  scope?: string;
}

const WITH_PASSWORD = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;

const optional = { default: undefined };

const settings = {
  KAFKA_SECURITY_PROTOCOL: oneOf('PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL')({ default: 'PLAINTEXT' }),
  KAFKA_SSL_CA_FILE: text(optional),
  KAFKA_SSL_CERT_FILE: text(optional),
  KAFKA_SSL_KEY_FILE: text(optional),
  KAFKA_SSL_KEY_PASSWORD: text(optional),
  KAFKA_SSL_KEY_PASSWORD_FILE: text(optional),
  KAFKA_SASL_MECHANISM: oneOf(...WITH_PASSWORD, 'OAUTHBEARER')(optional),
  KAFKA_SASL_USERNAME: text(optional),
  KAFKA_SASL_PASSWORD: text(optional),
  KAFKA_SASL_PASSWORD_FILE: text(optional),
  KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: webAddress(optional),
  KAFKA_SASL_OAUTHBEARER_CLIENT_ID: text(optional),
  KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: text(optional),
  KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET_FILE: text(optional),
  KAFKA_SASL_OAUTHBEARER_SCOPE: text(optional),
};
type Name = keyof typeof settings;

export const SECURITY_SETTINGS = Object.keys(settings);

/** @throws Error with one line for each bad setting, and for each that is missing, or of no effect beside the others */
export function securityConfig(environment: Environment): Security {
  const env = validate(environment, settings);
  const protocol = env.KAFKA_SECURITY_PROTOCOL;
  const mechanism = protocol.startsWith('SASL_') ? env.KAFKA_SASL_MECHANISM : undefined;
  const checks = new Checks(environment);
  const security: Security = {};

  if (protocol.endsWith('SSL')) security.tls = tls(checks);
  else
    checks.refuse(
      'KAFKA_SSL_',
      `KAFKA_SECURITY_PROTOCOL is ${protocol}, without TLS; set SSL or SASL_SSL there`,
    );

  if (!protocol.startsWith('SASL_'))
    checks.refuse(
      'KAFKA_SASL_',
      `KAFKA_SECURITY_PROTOCOL is ${protocol}, without a login; set SASL_SSL there`,
    );
  else if (!mechanism) checks.require('KAFKA_SASL_MECHANISM', `${protocol} needs one`);
  else if (mechanism === 'OAUTHBEARER') {
    checks.refuse(
      'KAFKA_SASL_(USERNAME|PASSWORD)',
      `${mechanism} uses none; set another KAFKA_SASL_MECHANISM`,
    );
    const endpoint = env.KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL;
    if (!endpoint) checks.require('KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL', `${mechanism} needs it`);
    security.sasl = {
      mechanism,
      endpoint: endpoint as URL,
      clientId: checks.require('KAFKA_SASL_OAUTHBEARER_CLIENT_ID', `${mechanism} needs it`),
      clientSecret: checks.secret('KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET', `${mechanism} needs it`),
      scope: env.KAFKA_SASL_OAUTHBEARER_SCOPE,
    };
  } else {
    checks.refuse(
      'KAFKA_SASL_OAUTHBEARER_',
      `${mechanism} uses none; set OAUTHBEARER as KAFKA_SASL_MECHANISM`,
    );
    security.sasl = {
      mechanism,
      username: checks.require('KAFKA_SASL_USERNAME', `${mechanism} needs it`),
      password: checks.secret('KAFKA_SASL_PASSWORD', `${mechanism} needs it`),
    };
  }
  checks.check();
  return security;
}

/** What is allowed, and lets others read along, in one line each. */
export function securityWarnings({ tls, sasl }: Security): string[] {
  const lines = [];
  const what = sasl?.mechanism === 'PLAIN' ? 'password' : 'token';
  if (sasl && !tls && (sasl.mechanism === 'PLAIN' || sasl.mechanism === 'OAUTHBEARER'))
    lines.push(
      `${sasl.mechanism} without TLS: whoever can read along has the ${what}; KAFKA_SECURITY_PROTOCOL=SASL_SSL hides it`,
    );
  if (sasl?.mechanism === 'OAUTHBEARER' && sasl.endpoint.protocol === 'http:')
    lines.push(
      'KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL without https: whoever can read along has the client secret',
    );
  return lines;
}

function tls(checks: Checks): Tls {
  const ca = checks.pem('KAFKA_SSL_CA_FILE', isCertificate, 'holds no certificate in PEM');
  const cert = checks.pem('KAFKA_SSL_CERT_FILE', isCertificate, 'holds no certificate in PEM');
  const passphrase = checks.secret('KAFKA_SSL_KEY_PASSWORD');
  const isKey = (pem: string) => createPrivateKey({ key: pem, passphrase: passphrase?.() });
  const key = checks.pem(
    'KAFKA_SSL_KEY_FILE',
    isKey,
    passphrase
      ? 'holds no private key in PEM that KAFKA_SSL_KEY_PASSWORD opens'
      : 'holds no private key in PEM, or one that needs KAFKA_SSL_KEY_PASSWORD',
  );
  if (checks.has('KAFKA_SSL_CERT_FILE'))
    checks.require('KAFKA_SSL_KEY_FILE', 'KAFKA_SSL_CERT_FILE needs its key');
  if (checks.has('KAFKA_SSL_KEY_FILE'))
    checks.require('KAFKA_SSL_CERT_FILE', 'KAFKA_SSL_KEY_FILE is of no use alone');
  if (passphrase) checks.require('KAFKA_SSL_KEY_FILE', 'KAFKA_SSL_KEY_PASSWORD is of no use alone');
  if (cert && key && !new X509Certificate(cert()).checkPrivateKey(isKey(key())))
    checks.complain(
      'KAFKA_SSL_KEY_FILE',
      'it is not the key of KAFKA_SSL_CERT_FILE; set the two that belong together',
    );
  else if (cert && key) checks.usable({ cert, key, passphrase });
  return { ca, cert, key, passphrase };
}

const isCertificate = (pem: string) => new X509Certificate(pem);

/** The settings that name files or hold secrets, and what is wrong with them. */
class Checks {
  private readonly lines = new Set<string>();

  constructor(private readonly environment: Environment) {}

  has(name: Name): boolean {
    return this.environment[name] !== undefined;
  }

  complain(name: Name, rule: string): void {
    this.lines.add(`${describe(name, this.environment)}: ${rule}`);
  }

  /** The setting's value; a complaint where there is none. */
  require(name: Name, rule: string): string {
    if (!this.has(name)) this.complain(name, `${rule}; set it`);
    return this.environment[name] ?? '';
  }

  /** A complaint for each setting of that kind: it would have no effect, and somebody counts on it. */
  refuse(kind: string, rule: string): void {
    for (const name of Object.keys(settings) as Name[])
      if (new RegExp(`^${kind}`).test(name) && this.has(name))
        this.complain(name, `it has no effect, for ${rule}, or leave this out`);
  }

  /** The secret, from its setting or from the file that `…_FILE` names; a complaint where a rule needs one. */
  secret(name: SecretName, rule: string): Read;
  secret(name: SecretName): Read | undefined;
  secret(name: SecretName, rule?: string): Read | undefined {
    const file = `${name}_FILE` as const;
    const { [name]: value } = this.environment;
    if (value !== undefined && this.has(file))
      this.complain(file, `so is ${name}, and one can count; leave one out`);
    if (value !== undefined) return () => value;
    if (this.has(file)) return this.file(file, (content) => content.replace(/\r?\n$/, ''));
    if (rule) this.complain(name, `${rule}; set it, or ${file}`);
    return undefined;
  }

  /** The content of the file, where the parser takes it. */
  pem(name: Name, parse: (content: string) => unknown, problem: string): Read | undefined {
    const read = this.file(name, (content) => content);
    try {
      if (read) parse(read());
      return read;
    } catch {
      this.complain(name, `the file ${problem}; set the path of one that does`);
      return undefined;
    }
  }

  /** A complaint where OpenSSL does not take the certificate that goes with that key, as one whose key is too short. */
  usable({ cert, key, passphrase }: Tls): void {
    try {
      createSecureContext({ cert: cert?.(), key: key?.(), passphrase: passphrase?.() });
    } catch (error) {
      const reason = (error as Error).message.replace(/^error:.*:/, '');
      this.complain('KAFKA_SSL_CERT_FILE', `TLS takes no such certificate (${reason}); set another`);
    }
  }

  /** @throws Error with one line for each complaint */
  check(): void {
    if (this.lines.size > 0) throw new Error([...this.lines].join('\n'));
  }

  private file(name: Name, trim: (content: string) => string): Read | undefined {
    const path = this.environment[name];
    if (path === undefined) return undefined;
    const read = () => trim(readFileSync(path, 'utf8'));
    try {
      let last = read();
      if (last === '') {
        this.complain(name, 'the file is empty; set the path of another, or fill it');
        return undefined;
      }
      return () => {
        try {
          // Empty while it is being written.
          last = read() || last;
        } catch {
          // Gone while it is being replaced.
        }
        return last;
      };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      this.complain(name, `the file can't be read (${code}); set the path of one that can`);
      return undefined;
    }
  }
}

type SecretName = 'KAFKA_SSL_KEY_PASSWORD' | 'KAFKA_SASL_PASSWORD' | 'KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET';

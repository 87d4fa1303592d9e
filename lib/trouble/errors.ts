/** What Kafka and kafkajs call what went wrong, and what to do about it. */
import { isTlsRefusal } from '../mend/login';

export type KafkaError = Error & { type?: string; code?: string; cause?: unknown; errors?: unknown[] };

/** The error at the bottom: kafkajs wraps what it has retried in vain, and gathers those of several topics. */
export function rootCause(error: unknown): KafkaError {
  const { cause, errors } = error as KafkaError;
  const inner = errors?.[0] ?? cause;
  return inner instanceof Error ? rootCause(inner) : (error as KafkaError);
}

/** Kafka's own name of the error, or the one of Node.js or kafkajs where it is none of Kafka's. */
export function nameOf(error: KafkaError): string {
  const { type, code, name } = error;
  if (isClosed(error)) return 'CONNECTION_CLOSED';
  return type ?? code ?? NAMES[name] ?? name;
}

/** What the error says, in one line and without what OpenSSL puts before its reason. */
export function says({ message }: KafkaError): string {
  const reason = /:(?:SSL|x509 certificate) routines:[^:]*:([^:]+)/.exec(message)?.[1];
  return reason ?? message.replace(/^Connection error: /, '').replace(/\s+/g, ' ');
}

/** Whether the other side has closed the connection: it does so, too, where it expects another security protocol. */
export function isClosed({ name, message }: KafkaError): boolean {
  return (
    name === 'KafkaJSConnectionClosedError' || /before secure TLS connection was established/.test(message)
  );
}

/** Whether one of the two sides does not let the other in, or not to what it wants. */
export function isAccess(error: KafkaError): boolean {
  return isTlsRefusal(error.code) || nameOf(error) in ACCESS;
}

const NAMES: Record<string, string> = {
  KafkaJSConnectionError: 'UNREACHABLE',
  KafkaJSRequestTimeoutError: 'NO_ANSWER',
  KafkaJSSASLAuthenticationError: 'SASL_AUTHENTICATION_FAILED',
};

const LEAVE_OUT =
  'to go on behind it, stop the consumer, and let its group (GROUP_ID) start there: docs/real-cluster.md, "Records that can\'t be read"';

/** What trying again can't mend, by its name, with the remedy. */
const HOPELESS: Record<string, string> = {
  INVALID_TOPIC_EXCEPTION: 'set another KAFKA_TOPIC',
  INCONSISTENT_GROUP_PROTOCOL: 'the group has members of another kind of client: set another GROUP_ID',
  UNSUPPORTED_VERSION: 'use a broker between Kafka 2.1 and 4.x',
  CORRUPT_RECORDS: LEAVE_OUT,
  RECORD_TOO_LARGE: LEAVE_OUT,
  UNSUPPORTED_COMPRESSION_TYPE: LEAVE_OUT,
  UNSUPPORTED_FOR_MESSAGE_FORMAT: LEAVE_OUT,
};

const LOGIN = 'check the user and the password, or the token (KAFKA_SASL_…)';
const PROTOCOL = 'let KAFKA_SECURITY_PROTOCOL be that of this port';
const UNTRUSTED = 'set KAFKA_SSL_CA_FILE to the certificate of who has signed that of the broker';
const UNFIT =
  'the certificate of the broker, or of who has signed it, is not made for that (its use, its key, its signature): have another one made';
const OURS = 'the broker takes our certificate for none of its clients: check KAFKA_SSL_CERT_FILE';
const EXPIRED = 'renew the certificate of the broker, or set the clock of this machine right';

/** Why one side does not let the other in, with the remedy. A service that has been in keeps on trying. */
const ACCESS: Record<string, string> = {
  TOPIC_AUTHORIZATION_FAILED:
    'allow this client to use the topic (docs/real-cluster.md: which operations); one that is not there, to create it too, or create it yourself',
  GROUP_AUTHORIZATION_FAILED: 'allow this client to use the group (Read), or set another GROUP_ID',
  CLUSTER_AUTHORIZATION_FAILED:
    'allow this client to write to the topic (Write; before Kafka 2.8 IdempotentWrite on the cluster too)',
  SASL_AUTHENTICATION_FAILED: LOGIN,
  UNSUPPORTED_SASL_MECHANISM: 'set KAFKA_SASL_MECHANISM to one that the broker has enabled',
  ILLEGAL_SASL_STATE: `this port knows no login: ${PROTOCOL}, SSL or PLAINTEXT`,
  OAUTHBEARER_TOKEN_REFUSED:
    'check KAFKA_SASL_OAUTHBEARER_…: the address, the client id, its secret, the scope',
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT:
    'add to KAFKA_SSL_CA_FILE the certificates above, up to the one that has signed itself',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  CERT_SIGNATURE_FAILURE: UNTRUSTED,
  INVALID_CA: UNFIT,
  INVALID_PURPOSE: UNFIT,
  // Node.js's word where OpenSSL has a reason that it has no word for: "CA signature digest algorithm too weak".
  UNSPECIFIED: UNFIT,
  CERT_HAS_EXPIRED: EXPIRED,
  CERT_NOT_YET_VALID: EXPIRED,
  ERR_TLS_CERT_ALTNAME_INVALID:
    "let KAFKA_BROKERS, and advertised.listeners of the broker, have a name that the broker's certificate is for",
  ERR_SSL_WRONG_VERSION_NUMBER: `this port knows no TLS: ${PROTOCOL}`,
  // Java's word where a client has none.
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE:
    'the broker wants a certificate of its clients, and another one than ours: set KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    'the broker wants a certificate of its clients: set KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE',
  ERR_TLS_OWN_CERTIFICATE: 'let KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE be two that belong together',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: OURS,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: OURS,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: OURS,
};
const OTHER_TLS = 'TLS with the broker fails: check KAFKA_SECURITY_PROTOCOL and KAFKA_SSL_…';

/**
 * The one line to end with, where trying again can't mend the error; undefined where it can.
 *
 * @param hasWorked it has been let in before: then a password, a certificate, an ACL may be put right while it goes on
 */
export function hopeless(error: unknown, hasWorked = false): string | undefined {
  const cause = rootCause(error);
  const name = nameOf(cause);
  if (hasWorked && isAccess(cause)) return undefined;
  const remedy = HOPELESS[name] ?? (isAccess(cause) ? remedyOf(name) : undefined);
  return remedy && `${name}: ${says(cause)}; ${remedy}`;
}

/** What a message is refused for, whatever else the broker takes, with the remedy. */
const REFUSED: Record<string, string> = {
  MESSAGE_TOO_LARGE: "it is larger than the topic's max.message.bytes: raise that, or send less",
  INVALID_RECORD:
    'the topic takes no such message, as a compacted topic takes none without a key: set cleanup.policy=delete, or another KAFKA_TOPIC',
  INVALID_TIMESTAMP:
    "its time is further from the broker's than the topic lets in (message.timestamp.before.max.ms, …after.max.ms): set the clock right, or raise these",
};

/** Why the broker refuses a message for what it is, and what to do; undefined where it refuses for another reason. */
export function refusal(error: unknown): string | undefined {
  const name = nameOf(rootCause(error));
  const remedy = REFUSED[name];
  return remedy && `${name}: ${remedy}`;
}

const AGAIN = 'trying again';

/** What keeps a service waiting and may be mended while it runs, with what to do. */
const REMEDIES: Record<string, string> = {
  INVALID_REPLICATION_FACTOR:
    'the topic is to have more replicas than there are brokers: start more brokers, lower TOPIC_REPLICAS, or without it default.replication.factor of the broker',
  INVALID_PARTITIONS: 'the broker lets no topic have so many partitions: set another TOPIC_PARTITIONS',
  POLICY_VIOLATION:
    'the cluster has a rule for new topics (create.topic.policy.class.name): create the topic as it wants it, and we go on',
  GROUP_COORDINATOR_NOT_AVAILABLE:
    "start the brokers that are down; if none is, the groups' own topic can't be made: offsets.topic.replication.factor of the broker must not be larger than the number of brokers",
  INVALID_SESSION_TIMEOUT:
    'our session time-out is 10000 ms: let group.min.session.timeout.ms and group.max.session.timeout.ms of the broker admit it',
  GROUP_MAX_SIZE_REACHED: 'the group is full: stop another member, or raise group.max.size of the broker',
  NOT_ENOUGH_REPLICAS: 'too few brokers have the partition: start the others, or lower min.insync.replicas',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    'too few brokers have the partition: start the others, or lower min.insync.replicas',
  LEADER_NOT_AVAILABLE: 'no broker leads the partition: start the broker that has it',
  UNKNOWN_TOPIC_OR_PARTITION: 'the topic is not there yet, or no more: trying again',
  REQUEST_TIMED_OUT: 'the broker is slow, or the other brokers do not follow it: trying again',
  NO_ANSWER: 'the broker is slow: trying again',
  KAFKA_STORAGE_ERROR: "the broker can't write to its disk: is it full?",
  UNKNOWN: 'an error within the broker: its own log says more; trying again',
  THROTTLED: 'slower until its quota is raised (kafka-configs --entity-type clients)',
};

/** What to do about an error that is tried again, or that it is. */
export function remedyOf(name: string): string {
  return REMEDIES[name] ?? HOPELESS[name] ?? ACCESS[name] ?? (isTlsRefusal(name) ? OTHER_TLS : AGAIN);
}

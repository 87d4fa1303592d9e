/** What Kafka, and what lies between it and us, call what went wrong; and what to do about it. */
import { createErrorFromCode } from './kafkajs';

export type KafkaError = Error & { type?: string; code?: string };

/** Kafka's codes of what is found here without asking: https://kafka.apache.org/protocol#protocol_error_codes */
export const OK = 0;
export const UNKNOWN_TOPIC_OR_PARTITION = 3;
export const LEADER_NOT_AVAILABLE = 5;

/**
 * What an error is:
 * - `work`: part of the work, as where a group is rebalanced
 * - `refused`: a message, for what it is, whatever else the broker takes
 * - `access`: one of the two sides does not let the other in, or not to what it wants
 * - `hopeless`: trying again can't mend it
 * - `coordinator`: another broker coordinates the group, or one that can't be reached did
 * - `producer`: the broker takes nothing more under this producer id
 * - `waits`: all else. It may be mended while the service runs, and is tried again
 */
type Kind = 'work' | 'refused' | 'access' | 'hopeless' | 'coordinator' | 'producer' | 'waits';

const AGAIN = 'trying again';
const DEFECT = 'a defect of this program: report it, with what came before';
const LOGIN = 'check the user and the password, or the token (KAFKA_SASL_…)';
const PROTOCOL = 'let KAFKA_SECURITY_PROTOCOL be that of this port';
const UNTRUSTED = 'set KAFKA_SSL_CA_FILE to the certificate of who has signed that of the broker';
const UNFIT =
  'the certificate of the broker, or of who has signed it, is not made for that (its use, its key, its signature): have another one made';
const OURS = 'the broker takes our certificate for none of its clients: check KAFKA_SSL_CERT_FILE';
const EXPIRED = 'renew the certificate of the broker, or set the clock of this machine right';
const REPLICAS = 'too few brokers have the partition: start the others, or lower min.insync.replicas';
const LEAVE_OUT =
  'to go on behind it, stop the consumer, and let its group (GROUP_ID) start there: docs/real-cluster.md, "Records that can\'t be read"';
const OTHER_TLS = 'TLS with the broker fails: check KAFKA_SECURITY_PROTOCOL and KAFKA_SSL_…';

/** By Kafka's name of the error, or Node.js's where it is none of Kafka's: what it is, and the remedy. */
const ERRORS: Record<string, [Kind, string?]> = {
  MEMBER_ID_REQUIRED: ['work'],
  REBALANCE_IN_PROGRESS: ['work'],
  ILLEGAL_GENERATION: ['work'],
  UNKNOWN_MEMBER_ID: ['work'],

  MESSAGE_TOO_LARGE: ['refused', "it is larger than the topic's max.message.bytes: raise that, or send less"],
  RECORD_LIST_TOO_LARGE: ['refused', "it is larger than the topic's segment.bytes: raise that, or send less"],
  INVALID_RECORD: [
    'refused',
    'the topic takes no such message, as a compacted topic takes none without a key: set cleanup.policy=delete, or another KAFKA_TOPIC',
  ],
  INVALID_TIMESTAMP: [
    'refused',
    "its time is further from the broker's than the topic lets in (message.timestamp.before.max.ms, …after.max.ms): set the clock right, or raise these",
  ],

  INVALID_TOPIC_EXCEPTION: ['hopeless', 'set another KAFKA_TOPIC'],
  INCONSISTENT_GROUP_PROTOCOL: [
    'hopeless',
    'the group has members that deal out its partitions in another way: set another GROUP_ID, or roundrobin for these (partition.assignment.strategy)',
  ],
  UNSUPPORTED_VERSION: ['hopeless', 'use a broker between Kafka 2.1 and 4.x'],
  CORRUPT_RECORDS: ['hopeless', LEAVE_OUT],
  RECORD_TOO_LARGE: ['hopeless', LEAVE_OUT],
  UNSUPPORTED_COMPRESSION_TYPE: ['hopeless', LEAVE_OUT],
  UNSUPPORTED_FOR_MESSAGE_FORMAT: ['hopeless', LEAVE_OUT],

  TOPIC_AUTHORIZATION_FAILED: [
    'access',
    'allow this client to use the topic (docs/real-cluster.md: which operations); one that is not there, to create it too, or create it yourself',
  ],
  GROUP_AUTHORIZATION_FAILED: [
    'access',
    'allow this client to use the group (Read), or set another GROUP_ID',
  ],
  CLUSTER_AUTHORIZATION_FAILED: [
    'access',
    'allow this client to write to the topic (Write; before Kafka 2.8 IdempotentWrite on the cluster too)',
  ],
  SASL_AUTHENTICATION_FAILED: ['access', LOGIN],
  UNSUPPORTED_SASL_MECHANISM: ['access', 'set KAFKA_SASL_MECHANISM to one that the broker has enabled'],
  ILLEGAL_SASL_STATE: ['access', `this port knows no login: ${PROTOCOL}, SSL or PLAINTEXT`],
  OAUTHBEARER_TOKEN_REFUSED: [
    'access',
    'check KAFKA_SASL_OAUTHBEARER_…: the address, the client id, its secret, the scope',
  ],
  SELF_SIGNED_CERT_IN_CHAIN: ['access', UNTRUSTED],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['access', UNTRUSTED],
  UNABLE_TO_GET_ISSUER_CERT: [
    'access',
    'add to KAFKA_SSL_CA_FILE the certificates above, up to the one that has signed itself',
  ],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['access', UNTRUSTED],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['access', UNTRUSTED],
  CERT_SIGNATURE_FAILURE: ['access', UNTRUSTED],
  INVALID_CA: ['access', UNFIT],
  INVALID_PURPOSE: ['access', UNFIT],
  // Node.js's word where OpenSSL has a reason that it has no word for: "CA signature digest algorithm too weak".
  UNSPECIFIED: ['access', UNFIT],
  CERT_HAS_EXPIRED: ['access', EXPIRED],
  CERT_NOT_YET_VALID: ['access', EXPIRED],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'access',
    "let KAFKA_BROKERS, and advertised.listeners of the broker, have a name that the broker's certificate is for",
  ],
  ERR_SSL_WRONG_VERSION_NUMBER: ['access', `this port knows no TLS: ${PROTOCOL}`],
  // Java's word where a client has none.
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: [
    'access',
    'the broker wants a certificate of its clients, and another one than ours: set KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE',
  ],
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: [
    'access',
    'the broker wants a certificate of its clients: set KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE',
  ],
  ERR_TLS_OWN_CERTIFICATE: [
    'access',
    'let KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE be two that belong together',
  ],
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: ['access', OURS],
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: ['access', OURS],
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: ['access', OURS],

  NOT_COORDINATOR_FOR_GROUP: ['coordinator'],
  GROUP_LOAD_IN_PROGRESS: ['coordinator'],
  GROUP_COORDINATOR_NOT_AVAILABLE: [
    'coordinator',
    "start the brokers that are down; if none is, the groups' own topic can't be made: offsets.topic.replication.factor of the broker must not be larger than the number of brokers",
  ],

  OUT_OF_ORDER_SEQUENCE_NUMBER: ['producer'],
  UNKNOWN_PRODUCER_ID: ['producer'],
  INVALID_PRODUCER_EPOCH: ['producer'],
  DUPLICATE_SEQUENCE_NUMBER: ['producer'],

  INVALID_REPLICATION_FACTOR: [
    'waits',
    'the topic is to have more replicas than there are brokers: start more brokers, lower TOPIC_REPLICAS, or without it default.replication.factor of the broker',
  ],
  INVALID_PARTITIONS: [
    'waits',
    'the broker lets no topic have so many partitions: set another TOPIC_PARTITIONS',
  ],
  POLICY_VIOLATION: [
    'waits',
    'the cluster has a rule for new topics (create.topic.policy.class.name): create the topic as it wants it, and we go on',
  ],
  INVALID_SESSION_TIMEOUT: [
    'waits',
    'our session time-out is 10000 ms: let group.min.session.timeout.ms and group.max.session.timeout.ms of the broker admit it',
  ],
  GROUP_MAX_SIZE_REACHED: [
    'waits',
    'the group is full: stop another member, or raise group.max.size of the broker',
  ],
  LEADER_NOT_AVAILABLE: ['waits', 'no broker leads the partition: start the broker that has it'],
  KAFKA_STORAGE_ERROR: ['waits', "the broker can't write to its disk: is it full?"],
  NOT_ENOUGH_REPLICAS: ['waits', REPLICAS],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: ['waits', REPLICAS],
  UNKNOWN_TOPIC_OR_PARTITION: ['waits', 'the topic is not there yet, or no more: trying again'],
  REQUEST_TIMED_OUT: ['waits', 'the broker is slow, or the other brokers do not follow it: trying again'],
  NO_ANSWER: ['waits', 'the broker is slow: trying again'],
  UNKNOWN: ['waits', 'an error within the broker: its own log says more; trying again'],
  THROTTLED: ['waits', 'slower until its quota is raised (kafka-configs --entity-type clients)'],
  NO_RECORDS: ['waits', 'its own log may say why; trying again'],
  TOPIC_ALREADY_EXISTS: [
    'waits',
    'it is being made, or deleted and not gone yet (are all brokers up?): trying again',
  ],
  OPEN_TRANSACTION: [
    'waits',
    'what comes after it is given to nobody until its producer ends it, or the broker does (transaction.timeout.ms of that producer, at most transaction.max.timeout.ms of the broker: 15 min)',
  ],
};

/** How OpenSSL and Node.js name what is wrong with a certificate, or with what should be TLS and is not. */
const TLS_REFUSAL =
  /^(CERT_|DEPTH_ZERO_|ERR_SSL_|ERR_TLS_|ERR_OSSL_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|SELF_SIGNED_|UNABLE_TO_|UNSPECIFIED|EPROTO)/;

/** What kafkajs calls what has no name of Kafka's. */
const NAMES: Record<string, string> = {
  KafkaJSConnectionError: 'UNREACHABLE',
  KafkaJSRequestTimeoutError: 'NO_ANSWER',
  KafkaJSSASLAuthenticationError: 'SASL_AUTHENTICATION_FAILED',
  KafkaJSServerDoesNotSupportApiKey: 'UNSUPPORTED_VERSION',
};

/** @throws the error that the code stands for, by Kafka's name of it */
export function check(code: number): void {
  if (code !== OK) throw createErrorFromCode(code);
}

/** An error by Kafka's name that no broker has sent. */
export function named(type: string, message: string): KafkaError {
  return Object.assign(new Error(message), { type });
}

/** Kafka's own name of the error, or the one of Node.js or kafkajs where it is none of Kafka's. */
export function nameOf(error: KafkaError): string {
  if (isClosed(error)) return 'CONNECTION_CLOSED';
  return error.type ?? error.code ?? NAMES[error.name] ?? error.name;
}

export function kindOf(error: unknown): Kind {
  const { type, code, name } = error as KafkaError;
  const known = nameOf(error as KafkaError);
  if (TLS_REFUSAL.test(known)) return 'access';
  // Neither Kafka nor the network has said it, so it is a defect of ours, which trying again only hides.
  const isOurs = type === undefined && code === undefined && !name.startsWith('KafkaJS');
  return ERRORS[known]?.[0] ?? (isOurs ? 'hopeless' : 'waits');
}

/** What to do about an error; `otherwise` where no more can be done than what is done. */
export function remedyOf(name: string, otherwise = AGAIN): string {
  return ERRORS[name]?.[1] ?? (TLS_REFUSAL.test(name) ? OTHER_TLS : otherwise);
}

/** What the error says, in one line and without what OpenSSL puts before its reason. */
export function says({ message }: Error): string {
  const reason = /:(?:SSL|x509 certificate) routines:[^:]*:([^:]+)/.exec(message)?.[1];
  return reason ?? message.replace(/^Connection error: /, '').replace(/\s+/g, ' ');
}

/** Whether the other side has closed the connection: it does so, too, where it expects another security protocol. */
export function isClosed({ name, message }: Error): boolean {
  return (
    name === 'KafkaJSConnectionClosedError' || /before secure TLS connection was established/.test(message)
  );
}

/** Whether there was no answer: nobody knows whether the broker has done what it was asked. */
export function isUnanswered(error: unknown): boolean {
  const { name } = error as Error;
  return isClosed(error as Error) || name === 'KafkaJSConnectionError' || isTimeout(error as Error);
}

export function isTimeout({ name }: Error): boolean {
  return name === 'KafkaJSRequestTimeoutError';
}

/** Whether the time was over, of an answer or of a connection. */
export function isSlow(error: Error): boolean {
  return isTimeout(error) || /Connection timeout/.test(error.message);
}

/**
 * The one line to end with, where trying again can't mend the error; undefined where it can.
 *
 * @param hasWorked it has been let in before: then a password, a certificate, an ACL may be put right while it goes on
 */
export function lastLine(error: unknown, hasWorked = false): string | undefined {
  const kind = kindOf(error);
  if (kind !== 'hopeless' && (kind !== 'access' || hasWorked)) return undefined;
  const name = nameOf(error as KafkaError);
  return `${name}: ${says(error as Error)}; ${remedyOf(name, DEFECT)}`;
}

/** Why the broker refuses a message for what it is, and what to do; undefined where it refuses for another reason. */
export function refusal(error: unknown): string | undefined {
  const name = nameOf(error as KafkaError);
  return kindOf(error) === 'refused' ? `${name}: ${remedyOf(name)}` : undefined;
}

/** What Kafka and kafkajs call what went wrong, and what to do about it. */

export type KafkaError = Error & { type?: string; code?: string; cause?: unknown; errors?: unknown[] };

/** The error at the bottom: kafkajs wraps what it has retried in vain, and gathers those of several topics. */
export function rootCause(error: unknown): KafkaError {
  const { cause, errors } = error as KafkaError;
  const inner = errors?.[0] ?? cause;
  return inner instanceof Error ? rootCause(inner) : (error as KafkaError);
}

/** Kafka's own name of the error, or the one of Node.js or kafkajs where it is none of Kafka's. */
export function nameOf({ type, code, name }: KafkaError): string {
  return type ?? code ?? NAMES[name] ?? name;
}

const NAMES: Record<string, string> = {
  KafkaJSConnectionError: 'UNREACHABLE',
  KafkaJSConnectionClosedError: 'CONNECTION_CLOSED',
  KafkaJSRequestTimeoutError: 'NO_ANSWER',
  KafkaJSSASLAuthenticationError: 'SASL_AUTHENTICATION_FAILED',
};

/** What trying again can't mend, by its name, with the remedy. */
const HOPELESS: Record<string, string> = {
  TOPIC_AUTHORIZATION_FAILED: 'allow this client to use the topic',
  GROUP_AUTHORIZATION_FAILED: 'allow this client to use the group, or set another GROUP_ID',
  CLUSTER_AUTHORIZATION_FAILED: 'allow this client to create topics, or create the topic yourself',
  SASL_AUTHENTICATION_FAILED: 'check the user and the password',
  UNSUPPORTED_SASL_MECHANISM: 'use a mechanism that the broker has enabled',
  INVALID_TOPIC_EXCEPTION: 'set another KAFKA_TOPIC',
  INCONSISTENT_GROUP_PROTOCOL: 'the group has members of another kind of client: set another GROUP_ID',
  UNSUPPORTED_VERSION: 'use a broker between Kafka 2.1 and 4.x',
  KafkaJSNotImplemented: 'kafkajs reads messages that are not compressed, or by gzip',
};

/** The one line to end with, where trying again can't mend the error; undefined where it can. */
export function hopeless(error: unknown): string | undefined {
  const cause = rootCause(error);
  const remedy = HOPELESS[nameOf(cause)];
  return remedy && `${nameOf(cause)}: ${cause.message}; ${remedy}`;
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
    'the topic is to have more replicas than there are brokers: start more brokers, or lower default.replication.factor of the broker',
  INVALID_PARTITIONS: 'the broker lets no topic have so many partitions: set another TOPIC_PARTITIONS',
  POLICY_VIOLATION:
    'the cluster has a rule for new topics (create.topic.policy.class.name): create the topic as it wants it, and we go on',
  GROUP_COORDINATOR_NOT_AVAILABLE:
    "if it stays so, the groups' own topic can't be made: offsets.topic.replication.factor of the broker must not be larger than the number of brokers",
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
  return REMEDIES[name] ?? HOPELESS[name] ?? AGAIN;
}

/** kafkajs, set up for this demo: the client, its log in two lines, the topic. */
import { type Admin, Kafka, type logLevel } from 'kafkajs';
import type { KafkaConfig } from './config';
import { age } from './message';
import { print } from './service';

export type KafkaError = Error & { type?: string; cause?: unknown };

/** Knows whether the broker can be reached, and says so: one line when it is lost, one when it is back. */
export class BrokerWatch {
  /** Called when the broker answers that the topic does not exist: somebody has deleted it. */
  onTopicMissing = () => {};
  private lostAt: number | undefined;

  /** @param stopping once aborted, nothing is said any more: our own goodbye is no trouble. */
  constructor(private readonly stopping: AbortSignal) {}

  get isLost(): boolean {
    return this.lostAt !== undefined;
  }

  lost(reason: string): void {
    if (this.isLost) return;
    this.lostAt = Date.now();
    if (!this.stopping.aborted) print(`Broker lost: ${reason}; trying again until it is back`);
  }

  found(): void {
    if (this.lostAt === undefined) return;
    if (!this.stopping.aborted) print(`Broker back after ${age(Date.now() - this.lostAt)}`);
    this.lostAt = undefined;
  }
}

/**
 * A kafkajs client that prints nothing by itself and tells the watch what it meets.
 *
 * @param retries attempts that the client makes by itself, each at most 2 s after the one before.
 */
export function createKafka(config: KafkaConfig, watch: BrokerWatch, retries: number): Kafka {
  calmTimers();
  return new Kafka({
    clientId: config.clientId,
    brokers: config.brokers,
    connectionTimeout: 3000,
    requestTimeout: 10_000,
    retry: { initialRetryTime: 200, maxRetryTime: 2000, retries },
    logCreator:
      () =>
      ({
        namespace,
        log,
      }: {
        namespace: string;
        level: logLevel;
        log: { message: string; error?: unknown };
      }) => {
        if (namespace !== 'Connection') return;
        if (log.message.startsWith('Connection')) watch.lost(log.message.replace(/^Connection error: /, ''));
        else if (String(log.error).startsWith('This server does not host')) watch.onTopicMissing();
      },
  });
}

/** Attempts of the admin client: a few seconds' worth. Its callers know better than it how to go on. */
const ADMIN_RETRIES = 5;

/** An admin client whose answers, and missing answers, the watch hears of. Not connected yet. */
export function createAdmin(config: KafkaConfig, watch: BrokerWatch): Admin {
  const admin = createKafka(config, watch, ADMIN_RETRIES).admin();
  admin.on(admin.events.REQUEST, () => watch.found());
  admin.on(admin.events.REQUEST_TIMEOUT, () => watch.lost('no answer within 10 s'));
  return admin;
}

/**
 * Creates the topic where it is missing, with the broker's default number of replicas.
 *
 * @returns its number of partitions
 */
export async function ensureTopic(config: KafkaConfig, watch: BrokerWatch): Promise<number> {
  const { topic, topicPartitions } = config;
  // A client of its own: one that has used the topic asks for it first, and can't create it once it is deleted.
  const admin = createAdmin(config, watch);
  try {
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: topicPartitions }], waitForLeaders: true });
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const partitions = topics[0]?.partitions.length;
    if (!partitions) throw new Error(`The broker does not know the topic ${topic} yet`);
    return partitions;
  } finally {
    await admin.disconnect();
  }
}

/** The error at the bottom: kafkajs wraps what it has retried in vain. */
export function rootCause(error: unknown): KafkaError {
  const { cause } = error as KafkaError;
  return cause instanceof Error ? rootCause(cause) : (error as KafkaError);
}

/** What trying again can't mend, by its type or name in kafkajs, with the remedy. */
const HOPELESS: Record<string, string> = {
  TOPIC_AUTHORIZATION_FAILED: 'allow this client to use the topic',
  GROUP_AUTHORIZATION_FAILED: 'allow this client to use the group, or set another GROUP_ID',
  CLUSTER_AUTHORIZATION_FAILED: 'allow this client to create topics, or create the topic yourself',
  INVALID_TOPIC_EXCEPTION: 'set another KAFKA_TOPIC',
  INCONSISTENT_GROUP_PROTOCOL: 'the group has members of another kind of client: set another GROUP_ID',
  UNSUPPORTED_VERSION: 'use a broker between Kafka 2.1 and 4.x',
  KafkaJSNotImplemented: 'kafkajs reads messages that are not compressed, or by gzip',
};

/** The one line to end with, where trying again can't mend the error; undefined where it can. */
export function hopeless(error: unknown): string | undefined {
  const { type, name, message } = rootCause(error);
  const remedy = HOPELESS[type ?? name];
  return remedy && `${type ?? name}: ${message}; ${remedy}`;
}

/** How often a connection looks for requests that were not answered in time, in ms. */
const TIMEOUT_CHECK_MS = 1000;

// kafkajs 2.2.4 keeps two timers for each connection that never rest. One goes off every millisecond, even with
// nothing to send: its delay is computed as a negative number, of which Node 24 warns besides
// (https://github.com/tulios/kafkajs/issues/1751); it is needed only while requests wait their turn. The other
// looks ten times a second for requests to give up, whose time-out is in seconds. Together they cost an idle
// process more than its work does.
function calmTimers(): void {
  const { version } = require('kafkajs/package.json');
  const queue = require('kafkajs/src/network/requestQueue').prototype;
  if (version !== '2.2.4' || typeof queue.scheduleCheckPendingRequests !== 'function') return;
  queue.scheduleCheckPendingRequests = function schedule(this: RequestQueue) {
    if (this.throttleCheckTimeoutId || this.pending.length === 0) return;
    this.throttleCheckTimeoutId = setTimeout(
      () => {
        this.throttleCheckTimeoutId = null;
        this.checkPendingRequests();
      },
      Math.max(this.throttledUntil - Date.now(), 10),
    );
  };
  queue.scheduleRequestTimeoutCheck = function schedule(this: RequestQueue) {
    this.destroy();
    this.requestTimeoutIntervalId = setInterval(() => {
      for (const request of this.inflight.values())
        if (Date.now() - request.sentAt > request.requestTimeout) request.timeoutRequest();
      if (!this.isConnected()) this.destroy();
    }, TIMEOUT_CHECK_MS);
  };
}

interface RequestQueue {
  pending: unknown[];
  inflight: Map<number, { sentAt: number; requestTimeout: number; timeoutRequest(): void }>;
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  requestTimeoutIntervalId: NodeJS.Timeout;
  isConnected(): boolean;
  checkPendingRequests(): void;
  /** Ends the check for time-outs. */
  destroy(): void;
}

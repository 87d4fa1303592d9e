/** kafkajs, set up for this demo: the client, and how it tells of what it meets. */
import type { Admin, Consumer, ConsumerRunConfig, Kafka, PartitionAssigner } from 'kafkajs';
import { AssignerProtocol, Kafka as MendedKafka } from '../mend';
import { belongsTo, type GroupMember, type Life, type Membership, toItsGeneration } from '../mend/group';
import type { FetchedBatch } from '../mend/records';
import { OUTCOME, type Outcome } from '../mend/requests';
import type { ConsumerConfig, KafkaConfig } from '../settings/settings';
import type { Trouble } from '../trouble/trouble';
import { LOGIN_AHEAD_MS } from './oauth';
import { secured } from './security';

export type { FetchedBatch, GroupMember, Life, Membership };
export { AssignerProtocol };

/** Metadata is asked for anew after this time, in ms: so soon are partitions found that were added to the topic. */
export const METADATA_AGE_MS = 5000;

/**
 * A kafkajs client that prints nothing by itself and tells how each of its requests ended.
 *
 * @param retries attempts that the client makes by itself, each at most 2 s after the one before.
 */
export function createKafka(config: KafkaConfig, trouble: Trouble, retries: number): Kafka {
  return new MendedKafka({
    clientId: config.clientId,
    brokers: config.brokers,
    ...secured(config.security),
    reauthenticationThreshold: LOGIN_AHEAD_MS,
    connectionTimeout: 3000,
    requestTimeout: 10_000,
    retry: { initialRetryTime: 200, maxRetryTime: 2000, retries },
    logCreator: () => (entry: LogEntry) => {
      if (entry.log.message === OUTCOME) trouble.hear(entry.log.outcome as Outcome);
    },
  });
}

interface LogEntry {
  log: { message: string; outcome?: Outcome };
}

/** Attempts of the admin client: a few seconds' worth. Its callers know better than it how to go on. */
const ADMIN_RETRIES = 5;

/** An admin client, not connected yet. */
export function createAdmin(config: KafkaConfig, trouble: Trouble): Admin {
  return createKafka(config, trouble, ADMIN_RETRIES).admin();
}

/** A fetch waits at most this long for messages, and so does a stop for the fetch under way. In ms. */
const MAX_WAIT_MS = 500;
/** The most that one fetch brings, of all partitions together, in bytes: kafkajs's own 10 MB are much in 128 MB. */
const MAX_BYTES = 1_048_576;

/** A consumer for this member of its group, not connected yet. It is to be run with RUN. */
export function createConsumer(
  kafka: Kafka,
  { groupId }: ConsumerConfig,
  member: GroupMember,
  assigner: PartitionAssigner,
): Consumer {
  return kafka.consumer({
    groupId,
    sessionTimeout: 10_000,
    rebalanceTimeout: 60_000,
    heartbeatInterval: 1000,
    maxWaitTimeInMs: MAX_WAIT_MS,
    maxBytes: MAX_BYTES,
    metadataMaxAge: METADATA_AGE_MS,
    allowAutoTopicCreation: false,
    partitionAssigners: [(of) => belongsTo(member, assigner(of))],
    // For good: only so does a member keep its place in the group over an outage.
    retry: { retries: Number.MAX_SAFE_INTEGER, restartOnFailure: async () => false },
  });
}

/** Nothing is committed, and no position moved, but by the member's own Life. */
export const RUN: ConsumerRunConfig = {
  autoCommit: false,
  eachBatchAutoResolve: false,
  eachBatch: toItsGeneration,
};

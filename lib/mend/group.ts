import { setTimeout as sleep } from 'node:timers/promises';
import type { Assigner, EachBatchPayload } from 'kafkajs';
import { type Broker, type Cluster, findCoordinatorOnce } from './brokers';
import type { FetchedBatch } from './records';

/** This member's part in one generation of its group: worth something until the group is rebalanced, and no longer. */
export interface Membership {
  /** The partitions that are this member's. */
  partitions: readonly number[];
  /** Has the partition be fetched from the offset on. */
  seek(partition: number, offset: number): void;
  /** Commits the offsets, by partition; throws the broker's own error, at once where the generation is over. */
  commit(offsets: ReadonlyMap<number, number>): Promise<void>;
}

/** What a member does with one generation. */
export interface Life {
  /** Decides where its partitions start, by `seek`: nothing is fetched before. */
  begin(interrupted: () => boolean): Promise<void>;
  /** Takes what was fetched, until `interrupted` says that the group is being rebalanced. */
  take(batch: FetchedBatch, interrupted: () => boolean): Promise<void>;
  /** A partition no longer has the offset to fetch: nothing more comes, and what was taken does not come again. */
  outOfRange(): Promise<void>;
  /** The generation is over: what was taken and is not committed comes again, to whoever has the partition now. */
  end(): void;
}

export interface GroupMember {
  /** Watches over a join, which may have to wait for other members. */
  join<T>(join: Promise<T>): Promise<T>;
  /** The group has been joined, and a generation begins. */
  joined(membership: Membership): Life;
  /** The broker does not know the topic: resolves once it is there (again), or the group is being rebalanced. */
  topicMissing(interrupted: () => boolean): Promise<void>;
}

/** Heartbeats, and with them the news of a rebalance, come at this interval, in ms, whatever else the member does. */
const HEARTBEAT_MS = 1000;
/** Before a request that met old metadata is made again, in ms. */
const RETRY_MS = 200;

const STALE_METADATA = [
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
];

const NO_COORDINATOR = [
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
];
const UNREACHABLE = [
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
];

const members = new WeakMap<Assigner, GroupMember>();

/** Tells the mended kafkajs whose life in the group a consumer is: the consumer that is made with this assigner. */
export function belongsTo(member: GroupMember, assigner: Assigner): Assigner {
  members.set(assigner, member);
  return assigner;
}

/** The handler of a mended consumer: hands each batch to the generation that it was fetched in. */
export async function toItsGeneration({ batch }: EachBatchPayload): Promise<void> {
  await fetchedIn.get(batch)?.();
}

const fetchedIn = new WeakMap<object, () => Promise<void>>();

/**
 * Mends how a consumer of kafkajs lives in its group:
 * - It asks anew for the offsets to start at after each join, and nobody can say it otherwise in time: with nothing
 *   committed yet, `latest` is a later end each time, and what came in between is skipped
 *   (https://github.com/tulios/kafkajs/issues/1453). Now the member decides, before the first fetch. It needs no pause
 *   for that, after which kafkajs would sleep for the whole wait of a fetch.
 * - What was fetched before a rebalance is handed over after it. Now it belongs to its generation, as do commits.
 * - No heartbeats while a fetch waits: a member that a quota slows down is thrown out. Now they go on.
 * - An offset that is no longer there: kafkajs commits -1 or -2 for it, even where it is to commit nothing, and says nothing
 *   (https://github.com/tulios/kafkajs/pull/1142). Now the member decides.
 * - A new leader, or a topic that a starting broker does not know yet, makes it join anew, and with it the whole
 *   group. Now it asks again.
 * - A broker that goes away stops the fetches from all others, and if it coordinated the group it is asked for good, or
 *   the consumer ends (https://github.com/tulios/kafkajs/issues/939). Now each fetch has its own troubles, and a new
 *   coordinator is looked for: it knows the members, which stay what they are.
 * - What was fetched of the old leader and of the new one may be handed over twice. Now only what comes next is.
 * - Stopped while the brokers to fetch from change, it fetches nothing, again and again without a pause, and never ends.
 *   Now that ends it.
 */
export function mendGroup(): void {
  const group = require('kafkajs/src/consumer/consumerGroup').prototype;
  const { joinAndSync, fetch, heartbeat, recoverFromFetch } = group;

  group.joinAndSync = async function (this: ConsumerGroup) {
    lives.get(this)?.end();
    for (;;) {
      lives.delete(this);
      await memberOf(this).join(joinAndSync.call(this));
      try {
        await begin(this);
        return;
      } catch (error) {
        const { type } = error as ProtocolError;
        if (type === 'UNKNOWN_MEMBER_ID') this.memberId = null;
        else if (!isRebalancing(error)) throw error;
      }
    }
  };

  group.fetch = async function (this: ConsumerGroup, nodeId: string) {
    const life = lives.get(this);
    // A generation that could not begin: kafkajs would choose where it starts. It is joined anew.
    if (!life)
      throw Object.assign(new Error('The generation has not begun'), { type: 'REBALANCE_IN_PROGRESS' });
    // Of several brokers, another one's fetch has joined, and the generation is about to begin.
    if (!begun.has(life)) {
      await sleep(RETRY_MS);
      return [];
    }
    const { offsetManager } = this;
    const batches: FetchedBatch[] = await whileBeating(this, (interrupted) =>
      fetch.call(this, nodeId).catch((error: ProtocolError) => recover(this, life, error, interrupted)),
    );
    if (life !== lives.get(this)) return [];
    for (const batch of batches)
      fetchedIn.set(batch, async () => {
        if (life !== lives.get(this)) return;
        const next = offsetManager.nextOffset(batch.topic, batch.partition).toString();
        if (batch.fetchedOffset !== next) return;
        await whileBeating(this, (interrupted) => life.take(batch, interrupted));
      });
    return batches;
  };

  const runner = require('kafkajs/src/consumer/runner').prototype;
  const { fetch: fetchWhileRunning } = runner;
  runner.fetch = async function (this: { running: boolean }, nodeId: string) {
    // Not to be tried again: that would take up to two seconds more.
    if (!this.running) throw Object.assign(new Error('The consumer is stopped'), { retriable: false });
    return fetchWhileRunning.call(this, nodeId);
  };

  // Within its fetch kafkajs asks for this; what it does about an error, `recover` decides.
  group.recoverFromFetch = async (error: Error) => {
    throw error;
  };

  group.heartbeat = async function (this: ConsumerGroup, options: { interval: number }) {
    const beat: Promise<void> = heartbeat.call(this, options).catch(async (error: ProtocolError) => {
      if (!isGone(error)) throw error;
      await findCoordinator(this);
    });
    beat.catch(() => undefined);
    // One that does not answer keeps nobody from fetching: the next call tells what became of this one.
    await waitAtMost(HEARTBEAT_MS, beat);
  };

  async function recover(
    group: ConsumerGroup,
    life: Life,
    error: ProtocolError,
    interrupted: () => boolean,
  ): Promise<FetchedBatch[]> {
    // Of several brokers, another one's fetch has met it, too, and has begun anew.
    if (life !== lives.get(group) || !begun.has(life)) return [];
    if (error.name === 'KafkaJSOffsetOutOfRange') {
      begun.delete(life);
      await life.outOfRange();
      await beginAnew(group, life);
    } else if (error.type === 'UNKNOWN_TOPIC_OR_PARTITION') {
      begun.delete(life);
      life.end();
      await memberOf(group).topicMissing(interrupted);
      await beginAnew(group, life);
    } else if (STALE_METADATA.includes(error.type ?? '') || isGone(error)) {
      await sleep(RETRY_MS);
      await group.cluster.refreshMetadata();
    } else await recoverFromFetch.call(group, error);
    return [];
  }
}

/** The broker can't be reached, or is not the one to ask any more. */
function isGone({ name, type }: ProtocolError): boolean {
  return UNREACHABLE.includes(name) || NO_COORDINATOR.includes(type ?? '');
}

/** Who coordinates the group now? Its members are known there, so nobody joins anew. Once: the next heartbeat asks again. */
async function findCoordinator(group: ConsumerGroup): Promise<void> {
  try {
    const coordinator = await findCoordinatorOnce(group.cluster, group);
    group.coordinator = coordinator;
    group.offsetManager.coordinator = coordinator;
  } catch {
    // Nobody knows yet.
  }
}

const lives = new WeakMap<ConsumerGroup, Life>();
/** Those whose start is settled: only for these is anything fetched. */
const begun = new WeakSet<Life>();

function memberOf(group: ConsumerGroup): GroupMember {
  return members.get(group.assigners[0] as Assigner) as GroupMember;
}

async function beginAnew(group: ConsumerGroup, life: Life): Promise<void> {
  life.end();
  try {
    await group.cluster.refreshMetadata();
  } catch (error) {
    if (life === lives.get(group)) lives.delete(group);
    throw error;
  }
  if (life !== lives.get(group)) return;
  group.offsetManager.clearAllOffsets();
  await begin(group);
}

async function begin(group: ConsumerGroup): Promise<void> {
  const life = memberOf(group).joined(membership(group));
  lives.set(group, life);
  try {
    await whileBeating(group, (interrupted) => life.begin(interrupted));
    begun.add(life);
  } catch (error) {
    life.end();
    lives.delete(group);
    throw error;
  }
}

/** Holds on to kafkajs's offsets of this generation: after a rebalance kafkajs has another object. */
function membership(group: ConsumerGroup): Membership {
  const { offsetManager, subscriptionState } = group;
  const { topic, partitions } = subscriptionState.assigned()[0] ?? { topic: '', partitions: [] };
  return {
    partitions,
    seek: (partition, offset) => {
      for (const offsets of [offsetManager.committedOffsets(), offsetManager.resolvedOffsets])
        Object.assign(offsets[topic] ?? {}, { [partition]: String(offset) });
    },
    commit: async (offsets) => {
      const committed = [...offsets].map(([partition, offset]) => ({ partition, offset: String(offset) }));
      try {
        await offsetManager.commitOffsets({ topics: [{ topic, partitions: committed }] });
      } catch (error) {
        if (offsetManager === group.offsetManager && isGone(error as ProtocolError))
          await findCoordinator(group);
        throw error;
      }
    },
  };
}

/** @throws its error, if it fails in time */
async function waitAtMost(ms: number, promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, timeUp]).finally(() => clearTimeout(timer));
}

/** Sends heartbeats while the work goes on. @throws the error of a heartbeat, once the work has ended */
async function whileBeating<T>(
  group: ConsumerGroup,
  work: (interrupted: () => boolean) => Promise<T>,
): Promise<T> {
  const life = lives.get(group);
  // kafkajs joins anew by itself within some of its fetches: that generation's heartbeats are no longer ours.
  const isOurs = () => life === lives.get(group);
  let trouble: unknown;
  const heart = setInterval(() => {
    if (!isOurs()) return;
    group.heartbeat({ interval: HEARTBEAT_MS / 2 }).catch((error) => {
      trouble ??= error;
    });
  }, HEARTBEAT_MS);
  try {
    const result = await work(() => trouble !== undefined);
    if (trouble !== undefined && isOurs()) throw trouble;
    return result;
  } finally {
    clearInterval(heart);
  }
}

function isRebalancing(error: unknown): boolean {
  return require('kafkajs/src/errors').isRebalancing(error);
}

type ProtocolError = Error & { type?: string };

interface Assigned {
  topic: string;
  partitions: number[];
}

interface ConsumerGroup {
  assigners: Assigner[];
  groupId: string;
  memberId: string | null;
  coordinator: Broker;
  cluster: Cluster;
  subscriptionState: { assigned(): Assigned[] };
  offsetManager: OffsetManager;
  heartbeat(options: { interval: number }): Promise<void>;
}

interface OffsetManager {
  coordinator: Broker;
  nextOffset(topic: string, partition: number): { toString(): string };
  committedOffsets(): Record<string, Record<number, string>>;
  resolvedOffsets: Record<string, Record<number, string>>;
  clearAllOffsets(): void;
  commitOffsets(offsets: { topics: unknown[] }): Promise<void>;
}

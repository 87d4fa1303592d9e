/**
 * Asks a cluster what it knows, and changes nothing: no group is joined, no topic created, nothing committed.
 *
 * kafkajs reads messages only as the member of a group, hides errors of one partition behind those of all, and
 * looks the coordinator of a group up anew for each question. So this speaks the same requests through kafkajs's
 * own brokers: one request for one question, and each answer with its own error codes.
 */
import type { Kafka } from 'kafkajs';
import { FetchedBatch } from '../lib/mend/records';

/** What Kafka calls NONE. */
export const OK = 0;
/** A partition without a leader for the moment. */
export const LEADER_NOT_AVAILABLE = 5;

export interface ClusterAnswer {
  controller: number;
  brokers: { id: number; host: string; port: number }[];
  /** The names of all topics, Kafka's own left out; or of those that were asked for. */
  topics: { topic: string; error: number; internal: boolean; partitions: PartitionAnswer[] }[];
}

export interface PartitionAnswer {
  id: number;
  /** -1 where it has none. */
  leader: number;
  replicas: number[];
  isr: number[];
}

export interface GroupAnswer {
  id: string;
  /** Kafka's word: `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty`, `Dead`. */
  state: string;
  coordinator: number;
  members: {
    id: string;
    client: string;
    host: string;
    /** The topics that it has subscribed to. */
    topics: string[];
    /** Its partitions by topic; none during a rebalance. */
    assignment: Record<string, number[]>;
  }[];
}

/** Committed offsets, by topic and partition. */
export type CommittedAnswer = Record<string, Record<number, number>>;

/** What a fetch tells of one partition. */
export interface LogAnswer {
  partition: number;
  error: number;
  /** The first offset that is still there. */
  start: number;
  /** The offset of the next message. */
  end: number;
  /** The end of what may be read: before `end` while a transaction is open. */
  stable: number;
  records: LogRecord[];
  /** The offset after the last batch that came, whether its records could be shown or not. */
  next: number | undefined;
}

export interface LogRecord {
  offset: number;
  /** In ms since 1970; -1 where there is none. */
  timestamp: number;
  key: Buffer | null;
  value: Buffer | null;
}

/** Of several brokers, one that takes longer than this, in ms, is taken for one that gives no answer. */
const PATIENCE_MS = 2000;

export class ClusterReader {
  private readonly cluster: Cluster;
  private readonly requests: Record<string, unknown>;
  private readonly apiKeys: Record<string, number>;
  /** Where each broker is, as the cluster told last; and those of them that were asked something. */
  private readonly addresses = new Map<number, Address>();
  private readonly brokers = new Map<number, Broker>();
  private seed: Broker | undefined;

  /** @param onRequest called for each answer of a broker */
  constructor(kafka: Kafka, onRequest: () => void) {
    const Emitter = require('kafkajs/src/instrumentation/emitter');
    const { NETWORK_REQUEST } = require('kafkajs/src/network/instrumentationEvents');
    const key = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === CREATE_CLUSTER);
    const createCluster = key && (kafka as unknown as Record<symbol, unknown>)[key];
    if (typeof createCluster !== 'function') throw new Error('kafkajs has no cluster where 2.2.4 has it');
    const instrumentationEmitter = new Emitter();
    instrumentationEmitter.addListener(NETWORK_REQUEST, onRequest);
    this.cluster = createCluster({ allowAutoTopicCreation: false, instrumentationEmitter });
    this.requests = require('kafkajs/src/protocol/requests').requests;
    this.apiKeys = require('kafkajs/src/protocol/requests/apiKeys');
  }

  /** The brokers that are there, and who leads which partition of these topics; of all topics where none is given. */
  async describeCluster(topics: string[] = []): Promise<ClusterAnswer> {
    const answer = await this.askAny<MetadataResponse>('Metadata', { topics, allowAutoTopicCreation: false });
    const before = new Map(this.addresses);
    this.addresses.clear();
    for (const { nodeId, host, port } of answer.brokers) this.addresses.set(nodeId, { host, port });
    for (const [id, { host, port }] of before) {
      const now = this.addresses.get(id);
      if (now?.host !== host || now.port !== port) this.hangUp(this.brokers.get(id));
    }
    return {
      controller: answer.controllerId,
      brokers: answer.brokers.map(({ nodeId, host, port }) => ({ id: nodeId, host, port })),
      topics: answer.topicMetadata.map(({ topic, topicErrorCode, isInternal, partitionMetadata }) => ({
        topic,
        error: topicErrorCode,
        internal: isInternal,
        partitions: partitionMetadata
          .map(({ partitionId, leader, replicas, isr }) => ({ id: partitionId, leader, replicas, isr }))
          .sort((one, other) => one.id - other.id),
      })),
    };
  }

  /** Resolves when the broker answers; at once, or after some seconds, it rejects where it doesn't. */
  async probe(brokerId: number): Promise<void> {
    await this.ask(await this.broker(brokerId), 'Metadata', { topics: [], allowAutoTopicCreation: false });
  }

  /** The groups of consumers that this broker coordinates. */
  async listGroups(brokerId: number): Promise<string[]> {
    const answer = await this.ask<ListGroupsResponse>(await this.broker(brokerId), 'ListGroups', {});
    check(answer.errorCode);
    return answer.groups
      .filter(({ protocolType }) => protocolType === 'consumer' || protocolType === '')
      .map(({ groupId }) => groupId);
  }

  /** @param brokerId their coordinator, as listGroups told */
  async describeGroups(brokerId: number, groupIds: string[]): Promise<GroupAnswer[]> {
    const answer = await this.ask<DescribeGroupsResponse>(await this.broker(brokerId), 'DescribeGroups', {
      groupIds,
    });
    return answer.groups
      .filter(({ errorCode }) => errorCode === OK)
      .map(({ groupId, state, members }) => ({
        id: groupId,
        state,
        coordinator: brokerId,
        members: members.map(({ memberId, clientId, clientHost, memberMetadata, memberAssignment }) => ({
          id: memberId,
          client: clientId,
          // Kafka writes the address as Java prints it: with a slash before it.
          host: clientHost.replace(/^\//, ''),
          topics: decoded(() => protocol().MemberMetadata.decode(memberMetadata)?.topics) ?? [],
          assignment: decoded(() => protocol().MemberAssignment.decode(memberAssignment)?.assignment) ?? {},
        })),
      }));
  }

  /** What the group has committed, of all topics; undefined where this broker does not coordinate it (any more). */
  async fetchCommitted(brokerId: number, groupId: string): Promise<CommittedAnswer | undefined> {
    const answer = await this.ask<OffsetFetchResponse>(await this.broker(brokerId), 'OffsetFetch', {
      groupId,
      topics: [],
    });
    if (answer.errorCode !== OK) return undefined;
    const committed: CommittedAnswer = {};
    for (const { topic, partitions } of answer.responses)
      committed[topic] = Object.fromEntries(
        partitions
          .filter(({ offset, errorCode }) => errorCode === OK && Number(offset) >= 0)
          .map(({ partition, offset }) => [partition, Number(offset)]),
      );
    return committed;
  }

  /** The first offset and the one after the last message, of each partition that this broker leads. */
  async fetchEnds(
    brokerId: number,
    topic: string,
    partitions: number[],
  ): Promise<Map<number, { start: number; end: number }>> {
    const broker = await this.broker(brokerId);
    const list = async (timestamp: number) => {
      const answer = await this.ask<ListOffsetsResponse>(broker, 'ListOffsets', {
        replicaId: -1,
        isolationLevel: READ_UNCOMMITTED,
        topics: [{ topic, partitions: partitions.map((partition) => ({ partition, timestamp })) }],
      });
      return new Map(
        answer.responses
          .flatMap((one) => one.partitions)
          .filter(({ errorCode }) => errorCode === OK)
          .map(({ partition, offset }) => [partition, Number(offset)]),
      );
    };
    const starts = await list(EARLIEST);
    const ends = await list(LATEST);
    return new Map(
      [...ends].map(([partition, end]) => [partition, { start: starts.get(partition) ?? end, end }]),
    );
  }

  /**
   * The records from these offsets on, committed ones only, without a group.
   *
   * @param maxWaitMs the broker answers as soon as there is a record, or after so long
   * @param maxBytes of each partition; of the first one a broker sends a whole batch, however large it is
   */
  async fetch(
    brokerId: number,
    topic: string,
    positions: { partition: number; offset: number }[],
    { maxWaitMs, maxBytes }: { maxWaitMs: number; maxBytes: number },
  ): Promise<LogAnswer[]> {
    const broker = await this.broker(brokerId);
    // The one that is first may send a batch of any size, so that each partition is to be first at times.
    const shift = Math.floor(Math.random() * positions.length);
    const turned = [...positions.slice(shift), ...positions.slice(0, shift)];
    const answer = await this.ask<FetchResponse>(broker, 'Fetch', {
      replicaId: -1,
      isolationLevel: READ_COMMITTED,
      maxWaitTime: maxWaitMs,
      minBytes: 1,
      maxBytes: Math.max(maxBytes * positions.length, 1),
      topics: [
        {
          topic,
          partitions: turned.map(({ partition, offset }) => ({ partition, fetchOffset: offset, maxBytes })),
        },
      ],
    });
    check(answer.errorCode ?? OK);
    const offsets = new Map(positions.map((one) => [one.partition, one.offset]));
    return answer.responses
      .flatMap((one) => one.partitions)
      .map((data) => logAnswer(topic, offsets.get(data.partition) ?? 0, data));
  }

  async disconnect(): Promise<void> {
    const brokers = [...this.brokers.values(), ...(this.seed ? [this.seed] : [])];
    this.brokers.clear();
    this.seed = undefined;
    await Promise.all(brokers.map((broker) => broker.disconnect()));
  }

  private async ask<T>(broker: Broker, name: string, args: object): Promise<T> {
    const answer = this.send<T>(broker, name, args);
    try {
      return await (this.addresses.size > 1 ? within(PATIENCE_MS, answer) : answer);
    } catch (error) {
      // What is left of the connection may be half of it: the next question has a new one.
      this.hangUp(broker);
      throw error;
    }
  }

  private async send<T>(broker: Broker, name: string, args: object): Promise<T> {
    if (!broker.isConnected()) await broker.connect();
    const { request, response } = broker.lookupRequest(this.apiKeys[name], this.requests[name])(args);
    return (await broker.connectionPool.send({
      request,
      response: {
        decode: response.decode,
        // kafkajs's own parse throws at the first error of any topic or partition.
        parse: async (answer: unknown) => answer,
      },
    })) as T;
  }

  /** Asks one broker after the other until one answers: those first that did last time. */
  private async askAny<T>(name: string, args: object): Promise<T> {
    const connected = [...this.brokers.values(), ...(this.seed ? [this.seed] : [])].filter((broker) =>
      broker.isConnected(),
    );
    for (const broker of connected) {
      const answer = await this.ask<T>(broker, name, args).catch(() => undefined);
      if (answer !== undefined) return answer;
    }
    for (const id of this.addresses.keys()) {
      const answer = await this.ask<T>(await this.broker(id), name, args).catch(() => undefined);
      if (answer !== undefined) return answer;
    }
    // Without an address, it is the next of KAFKA_BROKERS.
    this.seed = await this.createBroker();
    return await this.ask<T>(this.seed, name, args);
  }

  private async broker(id: number): Promise<Broker> {
    const address = this.addresses.get(id);
    if (!address) throw new Error(`Broker ${id} is not there`);
    const broker = this.brokers.get(id) ?? (await this.createBroker(address));
    // Of two questions at once, the first has made it.
    if (!this.brokers.has(id)) this.brokers.set(id, broker);
    return this.brokers.get(id) as Broker;
  }

  private async createBroker(address?: Address): Promise<Broker> {
    const connectionPool = await this.cluster.connectionPoolBuilder.build(address);
    return this.cluster.brokerPool.createBroker({ connectionPool, logger: this.cluster.rootLogger });
  }

  /** Not waited for: it ends only once the broker has answered what it was asked, or not in time. */
  private hangUp(broker: Broker | undefined): void {
    broker?.disconnect().catch(() => undefined);
    if (broker === this.seed) this.seed = undefined;
    for (const [id, one] of this.brokers) if (one === broker) this.brokers.delete(id);
  }
}

interface Address {
  host: string;
  port: number;
}

async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${ms / 1000} s`)), ms);
  });
  return await Promise.race([answer, end]).finally(() => clearTimeout(timer));
}

const CREATE_CLUSTER = 'private:Kafka:createCluster';
const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;
const EARLIEST = -2;
const LATEST = -1;

const protocol = () => (require('kafkajs') as typeof import('kafkajs')).AssignerProtocol;

function check(errorCode: number): void {
  if (errorCode === OK) return;
  throw require('kafkajs/src/protocol/error').createErrorFromCode(errorCode);
}

/** What a member has written by a protocol of its own is nothing that we could show. */
function decoded<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}

interface FetchResponse {
  errorCode?: number;
  responses: { partitions: FetchedPartition[] }[];
}

/** What the mended kafkajs leaves of a partition's answer to a fetch. */
interface FetchedPartition {
  partition: number;
  errorCode: number;
  highWatermark: string;
  lastStableOffset: string;
  lastStartOffset?: string;
  messages: Buffer;
}

function logAnswer(topic: string, position: number, data: FetchedPartition): LogAnswer {
  const { partition, errorCode, highWatermark, lastStableOffset, lastStartOffset } = data;
  const records: LogRecord[] = [];
  let next: number | undefined;
  try {
    const batch = new FetchedBatch(topic, String(position), data);
    if (!batch.isEmpty()) next = batch.next;
    for (const { offset, timestamp = -1, key, value } of batch.records())
      records.push({ offset, timestamp, key, value });
  } catch {
    // Compressed in a way that kafkajs doesn't know, or no records at all: nothing that could be shown.
  }
  return {
    partition,
    error: errorCode,
    start: Number(lastStartOffset ?? -1),
    end: Number(highWatermark),
    stable: Number(lastStableOffset),
    records,
    next,
  };
}

interface Cluster {
  rootLogger: unknown;
  connectionPoolBuilder: {
    build(address?: Address): Promise<Broker['connectionPool']>;
  };
  brokerPool: { createBroker(options: object): Broker };
}

interface Broker {
  connectionPool: { send(protocol: object): Promise<unknown> };
  isConnected(): boolean;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  lookupRequest(
    apiKey: number | undefined,
    requests: unknown,
  ): (args: object) => {
    request: { apiVersion: number };
    response: { decode(data: Buffer): Promise<unknown> };
  };
}

interface MetadataResponse {
  controllerId: number;
  brokers: { nodeId: number; host: string; port: number }[];
  topicMetadata: {
    topic: string;
    topicErrorCode: number;
    isInternal: boolean;
    partitionMetadata: { partitionId: number; leader: number; replicas: number[]; isr: number[] }[];
  }[];
}

interface ListGroupsResponse {
  errorCode: number;
  groups: { groupId: string; protocolType: string }[];
}

interface DescribeGroupsResponse {
  groups: {
    errorCode: number;
    groupId: string;
    state: string;
    members: {
      memberId: string;
      clientId: string;
      clientHost: string;
      memberMetadata: Buffer;
      memberAssignment: Buffer;
    }[];
  }[];
}

interface OffsetFetchResponse {
  errorCode: number;
  responses: {
    topic: string;
    partitions: { partition: number; offset: string; errorCode: number }[];
  }[];
}

interface ListOffsetsResponse {
  responses: { partitions: { partition: number; offset: string; errorCode: number }[] }[];
}

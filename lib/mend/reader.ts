/**
 * Asks a cluster what it knows, and changes nothing: no group is joined, no topic created, nothing committed.
 *
 * kafkajs reads messages only as the member of a group, hides errors of one partition behind those of all, and
 * looks the coordinator of a group up anew for each question. So this speaks the same requests through kafkajs's
 * own brokers: one request for one question, and each answer with its own error codes.
 */
import { gunzipSync } from 'node:zlib';
import { AssignerProtocol, type Kafka } from 'kafkajs';

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
  value: Buffer | null;
}

export class ClusterReader {
  private readonly cluster: Cluster;
  private readonly requests: Record<string, unknown>;
  private readonly apiKeys: Record<string, number>;
  private readonly brokers = new Map<number, Broker>();
  private seed: Broker | undefined;

  /** @param onRequest called for each answer of a broker */
  constructor(kafka: Kafka, onRequest: () => void) {
    const { version } = require('kafkajs/package.json');
    const Emitter = require('kafkajs/src/instrumentation/emitter');
    const { NETWORK_REQUEST } = require('kafkajs/src/network/instrumentationEvents');
    const key = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === CREATE_CLUSTER);
    const createCluster = key && (kafka as unknown as Record<symbol, unknown>)[key];
    if (version !== '2.2.4' || typeof createCluster !== 'function')
      throw new Error(`kafkajs ${version} is not known to the reader: use 2.2.4`);
    const instrumentationEmitter = new Emitter();
    instrumentationEmitter.addListener(NETWORK_REQUEST, onRequest);
    this.cluster = createCluster({ allowAutoTopicCreation: false, instrumentationEmitter });
    this.requests = require('kafkajs/src/protocol/requests').requests;
    this.apiKeys = require('kafkajs/src/protocol/requests/apiKeys');
  }

  /** The brokers that are there, and who leads which partition of these topics; of all topics where none is given. */
  async describeCluster(topics: string[] = []): Promise<ClusterAnswer> {
    const answer = await this.ask<MetadataResponse>(await this.anyBroker(), 'Metadata', {
      topics,
      allowAutoTopicCreation: false,
    });
    const there = new Map(answer.brokers.map((broker) => [broker.nodeId, broker]));
    for (const [id, { connectionPool }] of this.brokers) {
      const now = there.get(id);
      if (now?.host !== connectionPool.host || now.port !== connectionPool.port) this.drop(id);
    }
    for (const { nodeId, host, port } of answer.brokers)
      if (!this.brokers.has(nodeId)) this.brokers.set(nodeId, await this.createBroker({ host, port }));
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
          topics: decoded(() => AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics) ?? [],
          assignment:
            decoded(() => AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment) ?? {},
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
    return await this.ask<LogAnswer[]>(
      broker,
      'Fetch',
      {
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
      },
      (data, version) =>
        decodeFetch(data, version, new Map(positions.map((one) => [one.partition, one.offset]))),
    );
  }

  async disconnect(): Promise<void> {
    const brokers = [...this.brokers.values(), ...(this.seed ? [this.seed] : [])];
    this.brokers.clear();
    this.seed = undefined;
    await Promise.all(brokers.map((broker) => broker.disconnect()));
  }

  private async ask<T>(
    broker: Broker,
    name: string,
    args: object,
    decode?: (data: Buffer, version: number) => T,
  ): Promise<T> {
    try {
      if (!broker.isConnected()) await broker.connect();
      const { request, response } = broker.lookupRequest(this.apiKeys[name], this.requests[name])(args);
      return (await broker.connectionPool.send({
        request,
        response: {
          decode: decode ? async (data: Buffer) => decode(data, request.apiVersion) : response.decode,
          // kafkajs's own parse throws at the first error of any topic or partition.
          parse: async (answer: unknown) => answer,
        },
      })) as T;
    } catch (error) {
      // What is left of the connection may be half of it: the next question starts anew.
      await broker.disconnect();
      throw error;
    }
  }

  private async broker(id: number): Promise<Broker> {
    const broker = this.brokers.get(id);
    if (!broker) throw new Error(`Broker ${id} is not there`);
    return broker;
  }

  /** One that is connected, or else one that can be. */
  private async anyBroker(): Promise<Broker> {
    const known = [...this.brokers.values(), ...(this.seed ? [this.seed] : [])];
    const connected = known.find((broker) => broker.isConnected());
    if (connected) return connected;
    for (const broker of known) {
      try {
        await broker.connect();
        return broker;
      } catch {
        await broker.disconnect();
      }
    }
    // Without an address, it is the next of KAFKA_BROKERS.
    this.seed = await this.createBroker();
    return this.seed;
  }

  private async createBroker(address?: { host: string; port: number }): Promise<Broker> {
    const connectionPool = await this.cluster.connectionPoolBuilder.build(address);
    return this.cluster.brokerPool.createBroker({ connectionPool, logger: this.cluster.rootLogger });
  }

  private drop(id: number): void {
    this.brokers
      .get(id)
      ?.disconnect()
      .catch(() => undefined);
    this.brokers.delete(id);
  }
}

const CREATE_CLUSTER = 'private:Kafka:createCluster';
const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;
const EARLIEST = -2;
const LATEST = -1;

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

/** A Fetch answer, of version 4 to 11; kafkajs's own decoder unpacks every batch, and fails at one that it can't. */
function decodeFetch(data: Buffer, version: number, positions: Map<number, number>): LogAnswer[] {
  const Decoder = require('kafkajs/src/protocol/decoder');
  const decoder = new Decoder(data);
  decoder.readInt32(); // throttle time
  if (version >= 7) {
    check(decoder.readInt16());
    decoder.readInt32(); // session
  }
  const answers: LogAnswer[] = [];
  decoder.readArray(() => {
    decoder.readString();
    decoder.readArray(() => {
      const partition = decoder.readInt32();
      const error = decoder.readInt16();
      const end = Number(decoder.readInt64());
      const stable = Number(decoder.readInt64());
      const start = version >= 5 ? Number(decoder.readInt64()) : -1;
      decoder.readArray(() => {
        decoder.readInt64();
        decoder.readInt64();
      });
      if (version >= 11) decoder.readInt32(); // preferred replica
      const batches: Buffer = decoder.readBytes() ?? Buffer.alloc(0);
      const position = positions.get(partition) ?? 0;
      answers.push({ partition, error, start, end, stable, ...readBatches(batches, position) });
    });
  });
  return answers;
}

/** A batch that unpacks to more than this, in bytes, is not shown: the process has 64 MB. */
const MAX_UNPACKED = 4 * 2 ** 20;
/** Where a record batch has its fields, in bytes from its start. */
const BATCH = {
  length: 8,
  magic: 16,
  attributes: 21,
  lastOffsetDelta: 23,
  timestamp: 27,
  maxTimestamp: 35,
  count: 57,
  records: 61,
};

/** The records from the offset on. A batch of an unknown kind is passed over. */
function readBatches(data: Buffer, from: number): { records: LogRecord[]; next: number | undefined } {
  const records: LogRecord[] = [];
  let next: number | undefined;
  let at = 0;
  while (at + BATCH.records <= data.length) {
    const size = 12 + data.readInt32BE(at + BATCH.length);
    // The last one may have been cut off.
    if (at + size > data.length) break;
    const batch = data.subarray(at, at + size);
    at += size;
    if (batch.readInt8(BATCH.magic) !== 2) continue;
    const first = Number(batch.readBigInt64BE(0));
    next = first + batch.readInt32BE(BATCH.lastOffsetDelta) + 1;
    if (next <= from) continue;
    try {
      for (const record of readRecords(batch, first)) if (record.offset >= from) records.push(record);
    } catch {
      // Compressed in a way that Node doesn't know, or too much of it.
    }
  }
  return { records, next };
}

const CODEC = 0b111;
const GZIP = 1;
const LOG_APPEND_TIME = 0b1000;
const CONTROL = 0b100000;

function* readRecords(batch: Buffer, firstOffset: number): Generator<LogRecord> {
  const attributes = batch.readInt16BE(BATCH.attributes);
  // A marker of a transaction is no message.
  if (attributes & CONTROL) return;
  const codec = attributes & CODEC;
  if (codec !== 0 && codec !== GZIP) return;
  const packed = batch.subarray(BATCH.records);
  const data = codec === GZIP ? gunzipSync(packed, { maxOutputLength: MAX_UNPACKED }) : packed;
  const timestamp = Number(batch.readBigInt64BE(BATCH.timestamp));
  const maxTimestamp = Number(batch.readBigInt64BE(BATCH.maxTimestamp));
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = data[at++] as number;
      value += (byte & 127) * factor;
      // Zigzag: the sign is in the last bit.
      if (byte < 128) return value % 2 ? -(value + 1) / 2 : value / 2;
    }
  };
  const bytes = () => {
    const length = varint();
    if (length < 0) return null;
    at += length;
    return data.subarray(at - length, at);
  };
  for (let left = batch.readInt32BE(BATCH.count); left > 0; left--) {
    const size = varint();
    const end = at + size;
    at++; // attributes
    const time = timestamp + varint();
    const offset = firstOffset + varint();
    bytes(); // key
    const value = bytes();
    yield { offset, timestamp: attributes & LOG_APPEND_TIME ? maxTimestamp : time, value };
    at = end;
  }
}

interface Cluster {
  rootLogger: unknown;
  connectionPoolBuilder: {
    build(address?: { host: string; port: number }): Promise<Broker['connectionPool']>;
  };
  brokerPool: { createBroker(options: object): Broker };
}

interface Broker {
  connectionPool: { host: string; port: number; send(protocol: object): Promise<unknown> };
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

/** Asks a cluster what it knows, and changes nothing: no group is joined, no topic created, nothing committed. */
import { Cluster, type Metadata } from '../lib/client/cluster';
import { check, nameOf, OK } from '../lib/client/errors';
import { type FetchedPartition, fetch } from '../lib/client/fetch';
import { AssignerProtocol, type OwnRequest, type RequestName } from '../lib/client/kafkajs';
import { FetchedRecords } from '../lib/client/records';
import type { KafkaConfig } from '../lib/settings/settings';
import { consumerGroupDescribe, type NewGroup, withoutSlash } from './consumer_groups';

export type ClusterAnswer = Metadata;

export interface GroupAnswer {
  id: string;
  /**
   * Kafka's word: `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty`, `Dead`; of its new groups `Assigning`
   * and `Reconciling` besides. `Hidden` where Kafka lists the group, and does not let us see its members.
   */
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
  /** Their beginnings. */
  key: Buffer | null;
  value: Buffer | null;
  /** Of the whole value. */
  bytes: number;
}

/** So many bytes of a key and of a value are kept, and so many records of an answer: a compressed batch may hold any number. */
const HEAD = 1024;
const RECORDS = 10_000;

/** Of several brokers, one that takes longer than this, in ms, is taken for one that gives no answer. */
const PATIENCE_MS = 2000;

export class ClusterReader {
  private readonly cluster: Cluster;
  private brokers = 0;

  constructor(config: KafkaConfig) {
    this.cluster = new Cluster(config);
  }

  /** The brokers that are there, and who leads which partition of these topics; of all topics where none is given. */
  async describeCluster(topics: string[] = []): Promise<ClusterAnswer> {
    const answer = await this.cluster.metadata(topics);
    this.brokers = answer.brokers.length;
    return answer;
  }

  /** Since when the broker gives no answer, in ms since 1970; undefined where it does. */
  silentSince(brokerId: number): number | undefined {
    return this.cluster.silentSince(brokerId);
  }

  /** Finds out whether the broker answers. */
  probe(brokerId: number): void {
    this.ask(brokerId, 'Metadata', { topics: [], allowAutoTopicCreation: false }).catch(() => undefined);
  }

  /** The groups of consumers that this broker coordinates. */
  async listGroups(brokerId: number): Promise<string[]> {
    const answer = await this.ask<ListGroupsResponse>(brokerId, 'ListGroups', {});
    check(answer.errorCode);
    return answer.groups
      .filter(({ protocolType }) => protocolType === 'consumer' || protocolType === '')
      .map(({ groupId }) => groupId);
  }

  /** @param brokerId their coordinator, as listGroups told */
  async describeGroups(brokerId: number, groupIds: string[]): Promise<GroupAnswer[]> {
    const answer = await this.ask<DescribeGroupsResponse>(brokerId, 'DescribeGroups', {
      groupIds,
    });
    const older = answer.groups
      .filter(({ errorCode }) => errorCode === OK)
      .map(({ groupId, state, members }) => ({
        id: groupId,
        state,
        coordinator: brokerId,
        members: members.map(({ memberId, clientId, clientHost, memberMetadata, memberAssignment }) => ({
          id: memberId,
          client: clientId,
          host: withoutSlash(clientHost),
          topics: decoded(() => AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics) ?? [],
          assignment:
            decoded(() => AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment) ?? {},
        })),
      }));
    // As dead as one that is gone is, to this request, one of Kafka 4's.
    const dead = older.filter(({ state }) => state === 'Dead').map(({ id }) => id);
    const newer = dead.length > 0 ? await this.describeNewGroups(brokerId, dead) : [];
    const answered = new Set(newer.map(({ id }) => id));
    return [...older.filter(({ id }) => !answered.has(id)), ...newer];
  }

  /** Those of them that are of Kafka 4's protocol. */
  private async describeNewGroups(brokerId: number, groupIds: string[]): Promise<GroupAnswer[]> {
    const groups = await this.ask<NewGroup[]>(brokerId, consumerGroupDescribe, groupIds).catch((error) => {
      // Before 4.0 there are none.
      if (nameOf(error) !== 'UNSUPPORTED_VERSION') throw error;
      return [];
    });
    return groups
      .filter(({ errorCode }) => [OK, ...NOT_AUTHORIZED].includes(errorCode))
      .map(({ errorCode, state, ...group }) => ({
        ...group,
        state: errorCode === OK ? state : 'Hidden',
        coordinator: brokerId,
      }));
  }

  /** What the group has committed, of all topics; undefined where this broker does not coordinate it (any more). */
  async fetchCommitted(brokerId: number, groupId: string): Promise<CommittedAnswer | undefined> {
    const answer = await this.ask<OffsetFetchResponse>(brokerId, 'OffsetFetch', {
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
    const list = async (timestamp: number) => {
      const answer = await this.ask<ListOffsetsResponse>(brokerId, 'ListOffsets', {
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
    // The one that is first may send a batch of any size, so that each partition is to be first at times.
    const shift = Math.floor(Math.random() * positions.length);
    const turned = [...positions.slice(shift), ...positions.slice(0, shift)];
    const answers = await fetch(
      this.cluster,
      brokerId,
      topic,
      turned.map(({ partition, offset }) => [partition, offset] as const),
      { maxWaitMs, maxBytes: Math.max(maxBytes * positions.length, 1), maxBytesOfEach: maxBytes },
      { timeoutMs: this.patienceMs },
    );
    const offsets = new Map(positions.map((one) => [one.partition, one.offset]));
    return answers.map((data) => logAnswer(offsets.get(data.partition) ?? 0, data));
  }

  close(): void {
    this.cluster.close();
  }

  private ask<T>(brokerId: number, name: RequestName | OwnRequest, args: object): Promise<T> {
    return this.cluster.ask<T>(brokerId, name, args, { inParts: true, timeoutMs: this.patienceMs });
  }

  private get patienceMs(): number | undefined {
    return this.brokers > 1 ? PATIENCE_MS : undefined;
  }
}

/** To see the topic, the group. */
const NOT_AUTHORIZED = [29, 30];
const READ_UNCOMMITTED = 0;
const EARLIEST = -2;
const LATEST = -1;

/** What a member has written by a protocol of its own is nothing that we could show. */
function decoded<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}

function logAnswer(position: number, data: FetchedPartition): LogAnswer {
  const { partition, errorCode, start, end, stable } = data;
  const records: LogRecord[] = [];
  let next: number | undefined;
  try {
    const fetched = new FetchedRecords(position, data);
    if (!fetched.isEmpty) next = fetched.next;
    for (const { offset, timestamp = -1, key, value } of fetched.records()) {
      records.push({ offset, timestamp, key: head(key), value: head(value), bytes: value?.length ?? 0 });
      // The first one tells since when there is something, and the latest are shown.
      if (records.length > 2 * RECORDS) records.splice(1, RECORDS);
    }
  } catch {
    // Nothing that could be shown.
  }
  return { partition, error: errorCode, start, end, stable, records, next };
}

/** A copy: what it is of can be forgotten. */
function head(bytes: Buffer | null): Buffer | null {
  return bytes && Buffer.from(bytes.subarray(0, HEAD));
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

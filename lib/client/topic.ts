import type { KafkaConfig } from '../settings/settings';
import type { Cluster, TopicMetadata } from './cluster';
import { check, type KafkaError, LEADER_NOT_AVAILABLE } from './errors';
import { READ_COMMITTED } from './fetch';

/** It is asked anew who leads what after this time, in ms: so soon are partitions found that were added to the topic. */
export const METADATA_AGE_MS = 5000;

const NO_LEADER = -1;
const EARLIEST = -2;
const LATEST = -1;
/** How long the brokers may take to make a new topic known to one another, in ms, before they say that it takes longer. */
const CREATE_MS = 5000;

export interface Bounds {
  /** The offset of the partition's first message. */
  low: number;
  /** The offset after its last message that may be read: behind it there may be some of a transaction that is open. */
  high: number;
}

/** The service's topic, as the cluster told last: its partitions, and who leads each. */
export class Topic {
  private partitions: TopicMetadata['partitions'] = [];
  private refreshedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly cluster: Cluster,
    private readonly config: KafkaConfig,
  ) {}

  /** How many partitions it has; 0 before the cluster was asked. */
  get size(): number {
    return this.partitions.length;
  }

  /** The broker that leads the partition: -1 where there is none, or none that we know of. */
  leader(partition: number): number {
    return this.partitions.find(({ id }) => id === partition)?.leader ?? NO_LEADER;
  }

  has(partition: number): boolean {
    return this.partitions.some(({ id }) => id === partition);
  }

  /** Asks who leads what, where that has not been asked for a while; where it fails, what was known counts. */
  async refreshIfOld(): Promise<void> {
    if (performance.now() - this.refreshedAt > METADATA_AGE_MS) await this.refresh().catch(() => undefined);
  }

  /** @throws as findTopic */
  async refresh(): Promise<void> {
    this.refreshedAt = performance.now();
    this.partitions = (await findTopic(this.cluster, this.config.topic)).partitions;
  }

  /**
   * As refresh, and creates the topic where it is missing, with the broker's default number of replicas unless the
   * settings have one.
   *
   * @returns whether it had to be made
   */
  async ensure(): Promise<boolean> {
    const { topic, topicPartitions, topicReplicas } = this.config;
    try {
      // A client that may not create topics can use those that are there.
      await this.refresh();
      return false;
    } catch (error) {
      if ((error as KafkaError).type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
    }
    await this.cluster.askController('CreateTopics', {
      topics: [{ topic, numPartitions: topicPartitions, replicationFactor: topicReplicas }],
      validateOnly: false,
      timeout: CREATE_MS,
    });
    await this.refresh();
    return true;
  }

  /** Where the log of each of these partitions begins and ends, as its leader says; of all, if none is named. */
  async bounds(partitions = this.partitions.map(({ id }) => id)): Promise<Map<number, Bounds>> {
    const bounds = new Map<number, Bounds>();
    for (const leader of new Set(partitions.map((partition) => this.leader(partition)))) {
      const its = partitions.filter((partition) => this.leader(partition) === leader);
      const starts = await this.offsets(leader, its, EARLIEST);
      const ends = await this.offsets(leader, its, LATEST);
      for (const [partition, low] of starts) bounds.set(partition, { low, high: ends.get(partition) ?? low });
    }
    return bounds;
  }

  private async offsets(
    leader: number,
    partitions: number[],
    timestamp: number,
  ): Promise<Map<number, number>> {
    const { responses } = await this.cluster.ask<ListOffsetsAnswer>(leader, 'ListOffsets', {
      replicaId: -1,
      isolationLevel: READ_COMMITTED,
      topics: [
        { topic: this.config.topic, partitions: partitions.map((partition) => ({ partition, timestamp })) },
      ],
    });
    return new Map(
      responses.flatMap((one) => one.partitions).map(({ partition, offset }) => [partition, Number(offset)]),
    );
  }
}

/**
 * @returns with at least 1 partition, of which some may have no leader
 * @throws UNKNOWN_TOPIC_OR_PARTITION where the topic is not there, LEADER_NOT_AVAILABLE where its partitions are not yet
 */
export async function findTopic(cluster: Cluster, topic: string): Promise<TopicMetadata> {
  const { topics } = await cluster.metadata([topic]);
  const found = topics.find((one) => one.topic === topic);
  check(found?.error ?? LEADER_NOT_AVAILABLE);
  // A broker that is just starting: it knows of the topic before it knows of its partitions.
  if (found?.partitions.length === 0) check(LEADER_NOT_AVAILABLE);
  return found as TopicMetadata;
}

interface ListOffsetsAnswer {
  responses: { partitions: { partition: number; offset: string }[] }[];
}

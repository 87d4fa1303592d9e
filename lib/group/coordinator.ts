import type { Cluster } from '../client/cluster';
import type { AskOptions } from '../client/connection';
import { kindOf } from '../client/errors';
import type { RequestName } from '../client/kafkajs';
import { sleep } from '../process/service';
import type { ConsumerConfig } from '../settings/settings';
import { describeMember, PROTOCOLS, readAssignment } from './assigner';

/** A member of which the coordinator has heard nothing for so long, in ms, is given up. */
const SESSION_MS = 10_000;
/** How long a rebalance waits for each member to end what it has in hand, in ms. */
const REBALANCE_MS = 60_000;
/** So often, in ms, a member that waits for the others asks how far the group is. */
const LOOK_MS = 3000;

/** What makes a member one of a generation of the group. */
export interface Membership {
  memberId: string;
  generationId: number;
}

/** What the coordinator answers to a join. */
export interface Joined extends Membership {
  leaderId: string;
  /** For the leader alone. */
  members: { memberId: string; memberMetadata: Buffer }[];
}

/** What each member is to have, as the leader deals. */
export type Assignment = { memberId: string; memberAssignment: Buffer }[];

/** The broker that coordinates the group, whichever that is at the time; what a member asks it, by Kafka's names. */
export class Coordinator {
  constructor(
    private readonly cluster: Cluster,
    private readonly config: ConsumerConfig,
  ) {}

  /**
   * Waits for all members, or until those that do not come are given up.
   *
   * @param memberId as the coordinator has given it; empty at first
   * @throws MEMBER_ID_REQUIRED, with the memberId to join by
   */
  joinGroup(memberId: string, partitions: number): Promise<Joined> {
    const metadata = describeMember(this.config.topic, partitions);
    return this.wait<Joined>('PreparingRebalance', 'JoinGroup', {
      memberId,
      sessionTimeout: SESSION_MS,
      rebalanceTimeout: REBALANCE_MS,
      protocolType: 'consumer',
      groupProtocols: PROTOCOLS.map((name) => ({ name, metadata })),
    });
  }

  /** Waits for the leader's assignment. @returns the partitions of this member */
  async syncGroup({ memberId, generationId }: Membership, groupAssignment: Assignment): Promise<number[]> {
    const { memberAssignment } = await this.wait<{ memberAssignment: Buffer }>(
      'CompletingRebalance',
      'SyncGroup',
      { memberId, generationId, groupAssignment },
    );
    return readAssignment(memberAssignment, this.config.topic);
  }

  /**
   * Says that the member is alive. Where no answer comes there is time left to say so again, by another connection.
   *
   * @throws REBALANCE_IN_PROGRESS where it is to join anew
   */
  async heartbeat({ memberId, generationId }: Membership): Promise<void> {
    await this.ask('Heartbeat', { memberId, groupGenerationId: generationId }, { timeoutMs: SESSION_MS / 2 });
  }

  /** @returns what the group has committed of these partitions; nothing of those of which it has not */
  async offsetFetch(partitions: readonly number[]): Promise<Map<number, number>> {
    if (partitions.length === 0) return new Map();
    const { responses } = await this.ask<OffsetFetchAnswer>('OffsetFetch', {
      topics: [{ topic: this.config.topic, partitions: partitions.map((partition) => ({ partition })) }],
    });
    return new Map(
      responses
        .flatMap((topic) => topic.partitions)
        .map(({ partition, offset }) => [partition, Number(offset)] as const)
        .filter(([, offset]) => offset >= 0),
    );
  }

  /** @param offsets by partition, of the first message that is not handled */
  async offsetCommit(
    { memberId, generationId }: Membership,
    offsets: ReadonlyMap<number, number>,
  ): Promise<void> {
    const partitions = [...offsets].map(([partition, offset]) => ({ partition, offset: String(offset) }));
    const topics = [{ topic: this.config.topic, partitions }];
    await this.ask('OffsetCommit', { memberId, groupGenerationId: generationId, topics });
  }

  async leaveGroup(memberId: string): Promise<void> {
    await this.ask('LeaveGroup', { memberId });
  }

  /** @throws where it still has members */
  async deleteGroup(): Promise<void> {
    const { groupId } = this.config;
    await this.cluster.askCoordinator(groupId, 'DeleteGroups', [groupId]);
  }

  /** Ends what is waited for here, as a join: what is asked afterwards would have to wait for it. */
  hangUp(): void {
    this.cluster.hangUp(this.config.groupId);
  }

  /** Waits for the other members, for as long as the group is in that state. */
  private async wait<T>(state: string, name: RequestName, args: object): Promise<T> {
    const answered = new AbortController();
    void this.watch(state, answered.signal);
    try {
      return await this.ask<T>(name, args, { timeoutMs: REBALANCE_MS + SESSION_MS });
    } finally {
      answered.abort();
    }
  }

  /** Where the group has gone on, and no answer comes, the connection for it has fallen silent: there is none to wait for. */
  private async watch(state: string, answered: AbortSignal): Promise<void> {
    const { groupId } = this.config;
    for (let gone = 0; gone < 2; ) {
      await sleep(LOOK_MS, answered);
      if (answered.aborted) return;
      const asking = this.cluster.askCoordinator<DescribeGroupsAnswer>(
        groupId,
        'DescribeGroups',
        { groupIds: [groupId] },
        { aside: true },
      );
      // Of a broker that does not answer this either, all connections are ended, as ever.
      const isOver = await asking.then(
        ({ groups }) => groups[0]?.state !== state,
        (error) => kindOf(error) === 'coordinator',
      );
      gone = isOver ? gone + 1 : 0;
    }
    if (!answered.aborted) this.hangUp();
  }

  private ask<T>(name: RequestName, args: object, options?: AskOptions): Promise<T> {
    const { groupId } = this.config;
    return this.cluster.askCoordinator<T>(groupId, name, { groupId, ...args }, options);
  }
}

interface DescribeGroupsAnswer {
  groups: { state: string }[];
}

interface OffsetFetchAnswer {
  responses: { partitions: { partition: number; offset: string }[] }[];
}

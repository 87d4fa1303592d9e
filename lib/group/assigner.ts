import type { Cluster } from '../client/cluster';
import type { KafkaError } from '../client/errors';
import { AssignerProtocol } from '../client/kafkajs';
import { findTopic } from '../client/topic';

const { MemberAssignment, MemberMetadata } = AssignerProtocol;
const VERSION = 0;

/**
 * Dealing out in turn, as Java's clients, librdkafka and kafka-python call it, and as kafkajs does. The coordinator chooses
 * one that all members of the group know.
 */
export const PROTOCOLS = ['roundrobin', 'RoundRobinAssigner'];

/**
 * What a member says of itself when it joins. A member that joins again as it was changes nothing, unless it is the
 * leader; with the number of partitions in it, one whose topic has got more has the group deal anew.
 */
export function describeMember(topic: string, partitions: number): Buffer {
  const userData = Buffer.from(`${partitions} partitions`);
  return MemberMetadata.encode({ version: VERSION, topics: [topic], userData });
}

/** The partitions of the topic that a member was dealt. */
export function readAssignment(assignment: Buffer, topic: string): number[] {
  return MemberAssignment.decode(assignment)?.assignment[topic] ?? [];
}

/**
 * Deals the partitions of each topic in turn to those members that asked for that topic, as Kafka's own clients do. The
 * assigner that comes with kafkajs knows the leader's topics only: members of one group with different topics get
 * nothing, or nothing of theirs.
 */
export class Assigner {
  private readonly counts = new Map<string, number>();

  constructor(private readonly cluster: Cluster) {}

  /** What each member is to have; to be done by the leader of the group. */
  async deal(members: { memberId: string; memberMetadata: Buffer }[]) {
    const subscribers = new Map<string, string[]>();
    for (const { memberId, memberMetadata } of members)
      for (const topic of MemberMetadata.decode(memberMetadata)?.topics ?? [])
        subscribers.set(topic, [...(subscribers.get(topic) ?? []), memberId].sort());
    const assignments = new Map(members.map(({ memberId }) => [memberId, {} as Record<string, number[]>]));
    for (const [topic, ids] of subscribers)
      for (let partition = 0, partitions = await this.count(topic); partition < partitions; partition++) {
        const assignment = assignments.get(ids[partition % ids.length] as string);
        if (assignment) assignment[topic] = [...(assignment[topic] ?? []), partition];
      }
    return [...assignments].map(([memberId, assignment]) => ({
      memberId,
      memberAssignment: MemberAssignment.encode({ version: VERSION, assignment, userData: Buffer.alloc(0) }),
    }));
  }

  private async count(topic: string): Promise<number> {
    try {
      this.counts.set(topic, (await findTopic(this.cluster, topic)).partitions.length);
    } catch (error) {
      // Not there, or not for us to see: nobody is the worse for it but those who asked for it. Whatever else is wrong
      // with it passes, and it has the partitions that it had.
      const { type = '' } = error as KafkaError;
      if (['UNKNOWN_TOPIC_OR_PARTITION', 'TOPIC_AUTHORIZATION_FAILED'].includes(type))
        this.counts.delete(topic);
      else if (!this.counts.has(topic)) throw error;
    }
    return this.counts.get(topic) ?? 0;
  }
}

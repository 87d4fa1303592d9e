import type { Assigner, Cluster } from 'kafkajs';
import { AssignerProtocol } from '../client/client';
import { countPartitions } from '../client/topic';
import type { KafkaConfig } from '../settings/settings';
import { rootCause } from '../trouble/errors';
import type { Trouble } from '../trouble/trouble';

const { MemberAssignment, MemberMetadata } = AssignerProtocol;
const VERSION = 0;

/**
 * Deals the partitions of each topic in turn to those members that asked for that topic, as Kafka's own clients do.
 * The assigner that comes with kafkajs knows the leader's topics only: members of one group with different topics get
 * nothing, or nothing of theirs.
 */
export function assigner({ cluster }: { cluster: Cluster }, config: KafkaConfig, trouble: Trouble): Assigner {
  const name = 'RoundRobinAssigner';

  const counts = new Map<string, number>();
  /** Of a topic that is not ours, kafkajs's cluster knows nothing, and must not: it would ask for it from then on. */
  const count = async (topic: string): Promise<number> => {
    if (topic === config.topic) return cluster.findTopicPartitionMetadata(topic).length;
    try {
      counts.set(topic, await countPartitions(topic, config, trouble));
    } catch (error) {
      // Not there, or not for us to see: nobody is the worse for it but those who asked for it. Whatever else is wrong
      // with it passes, and it has the partitions that it had.
      const { type = '' } = rootCause(error);
      if (['UNKNOWN_TOPIC_OR_PARTITION', 'TOPIC_AUTHORIZATION_FAILED'].includes(type)) counts.delete(topic);
      else if (!counts.has(topic)) throw error;
    }
    return counts.get(topic) ?? 0;
  };

  return {
    name,
    version: VERSION,
    async assign({ members }) {
      const subscribers = new Map<string, string[]>();
      for (const { memberId, memberMetadata } of members)
        for (const topic of MemberMetadata.decode(memberMetadata)?.topics ?? [])
          subscribers.set(topic, [...(subscribers.get(topic) ?? []), memberId].sort());
      const assignments = new Map(members.map(({ memberId }) => [memberId, {} as Record<string, number[]>]));
      for (const [topic, ids] of subscribers)
        for (let partition = 0, partitions = await count(topic); partition < partitions; partition++) {
          const assignment = assignments.get(ids[partition % ids.length] as string);
          if (assignment) assignment[topic] = [...(assignment[topic] ?? []), partition];
        }
      return [...assignments].map(([memberId, assignment]) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({
          version: VERSION,
          assignment,
          userData: Buffer.alloc(0),
        }),
      }));
    },
    // A member that joins again as it was changes nothing, unless it is the leader, who looks at its own topic only. With
    // the number of partitions in what it says of itself, one whose topic has got more has the group deal anew.
    protocol: ({ topics }) => ({
      name,
      metadata: MemberMetadata.encode({
        version: VERSION,
        topics,
        userData: Buffer.from(`${cluster.findTopicPartitionMetadata(config.topic).length} partitions`),
      }),
    }),
  };
}

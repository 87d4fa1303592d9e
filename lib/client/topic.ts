import type { KafkaConfig } from '../settings/settings';
import { rootCause } from '../trouble/errors';
import type { Trouble } from '../trouble/trouble';
import { createAdmin } from './client';

/**
 * Creates the topic where it is missing, with the broker's default number of replicas unless the settings have one.
 *
 * @returns its number of partitions
 */
export async function ensureTopic(config: KafkaConfig, trouble: Trouble): Promise<number> {
  const { topic, topicPartitions, topicReplicas } = config;
  try {
    // A client that may not create topics can use those that are there.
    return await countPartitions(topic, config, trouble);
  } catch (error) {
    if (rootCause(error).type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
  }
  const admin = createAdmin(config, trouble);
  try {
    await admin.connect();
    await admin.createTopics({
      topics: [{ topic, numPartitions: topicPartitions, replicationFactor: topicReplicas }],
      waitForLeaders: true,
    });
  } finally {
    await admin.disconnect();
  }
  return countPartitions(topic, config, trouble);
}

/**
 * @returns at least 1
 * @throws UNKNOWN_TOPIC_OR_PARTITION where the topic is not there, LEADER_NOT_AVAILABLE where its partitions are not yet
 */
export async function countPartitions(topic: string, config: KafkaConfig, trouble: Trouble): Promise<number> {
  // A client of its own: one that has used a topic asks for it ever after, and for nothing else once it is deleted.
  const admin = createAdmin(config, trouble);
  try {
    await admin.connect();
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const count = topics[0]?.partitions.length ?? 0;
    // A broker that is just starting: it knows of the topic before it knows of its partitions.
    if (count === 0)
      throw Object.assign(new Error(`${topic} has no partitions yet`), { type: 'LEADER_NOT_AVAILABLE' });
    return count;
  } finally {
    await admin.disconnect();
  }
}

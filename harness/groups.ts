/** Groups of another client that read a topic and commit all the time: more of them than there could be processes. */
import { Kafka, logLevel } from 'kafkajs';

/** How often each commits, in ms. */
const COMMIT_MS = 300;

/** @returns ends them, and leaves their groups */
export async function readInGroups(
  brokers: string,
  topic: string,
  names: string[],
): Promise<() => Promise<void>> {
  const kafka = new Kafka({ brokers: [brokers], clientId: 'reader', logLevel: logLevel.NOTHING });
  const consumers = names.map((groupId) => kafka.consumer({ groupId }));
  await Promise.all(
    consumers.map(async (consumer) => {
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({ autoCommitInterval: COMMIT_MS, eachMessage: async () => {} });
    }),
  );
  return async () => void (await Promise.all(consumers.map((consumer) => consumer.disconnect())));
}

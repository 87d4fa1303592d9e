import { Kafka } from 'kafkajs';

const { KAFKA_BROKERS = 'localhost:9092', KAFKA_TOPIC = 'test-topic', GROUP_ID = 'batch' } = process.env;
const consumer = new Kafka({ brokers: KAFKA_BROKERS.split(',') }).consumer({ groupId: GROUP_ID });

async function main(): Promise<void> {
  await consumer.connect();
  await consumer.subscribe({ topic: KAFKA_TOPIC, fromBeginning: true });
  await consumer.run({
    eachBatch: async ({ batch }) => {
      const offsets = `${batch.firstOffset()}-${batch.lastOffset()}`;
      console.log(
        `Received: ${batch.messages.length} messages (partition ${batch.partition}, offsets ${offsets})`,
      );
    },
  });
}

process.once('SIGTERM', () => consumer.disconnect());
void main();

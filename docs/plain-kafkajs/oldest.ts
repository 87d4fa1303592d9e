import { Kafka } from 'kafkajs';

const { KAFKA_BROKERS = 'localhost:9092', KAFKA_TOPIC = 'test-topic', GROUP_ID = 'oldest' } = process.env;
const consumer = new Kafka({ brokers: KAFKA_BROKERS.split(',') }).consumer({ groupId: GROUP_ID });

async function main(): Promise<void> {
  await consumer.connect();
  await consumer.subscribe({ topic: KAFKA_TOPIC, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message: { value, offset } }) =>
      console.log(`Received: ${value} (partition ${partition}, offset ${offset})`),
  });
}

process.once('SIGTERM', () => consumer.disconnect());
void main();

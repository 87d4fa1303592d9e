/** kafkajs as it is: what this project's client stands on, by its public API alone. */
import { Kafka, type KafkaMessage, logLevel } from 'kafkajs';

const {
  KAFKA_BROKERS = '',
  KAFKA_TOPIC: topic = '',
  GROUP_ID: groupId = '',
  BENCH_MESSAGES,
  BENCH_SECONDS,
  BENCH_BATCH,
} = process.env;
const consumer = new Kafka({ brokers: [KAFKA_BROKERS], logLevel: logLevel.NOTHING }).consumer({
  groupId,
  // As this project's.
  maxBytes: 1_048_576,
});
const size = Number(BENCH_BATCH ?? 100);
const next = new Map<number, string>();
let started: number | undefined;
let messages = 0;

async function take(partition: number, { value, offset }: KafkaMessage): Promise<void> {
  if (!BENCH_MESSAGES) {
    process.stdout.write(`${value}\n`);
    return;
  }
  JSON.parse(String(value));
  next.set(partition, String(BigInt(offset) + 1n));
  const isAll = ++messages === Number(BENCH_MESSAGES);
  if (!isAll && messages % size !== 0) return;
  await consumer.commitOffsets([...next].map(([partition, offset]) => ({ topic, partition, offset })));
  next.clear();
  const ms = performance.now() - (started as number);
  if (!isAll && ms < Number(BENCH_SECONDS) * 1000) return;
  console.error(JSON.stringify({ messages, seconds: ms / 1000 }));
  process.exit(0);
}

async function run(): Promise<void> {
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: BENCH_MESSAGES !== undefined });
  consumer.on(consumer.events.GROUP_JOIN, () => {
    started ??= performance.now();
  });
  await consumer.run({
    autoCommit: false,
    ...(BENCH_BATCH
      ? {
          eachBatch: async ({ batch, heartbeat }) => {
            for (const message of batch.messages) await take(batch.partition, message);
            await heartbeat();
          },
        }
      : { eachMessage: ({ partition, message }) => take(partition, message) }),
  });
}

void run();

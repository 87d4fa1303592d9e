// @platformatic/kafka, as its documentation has it: a stream, iterated over.
import { Consumer } from '@platformatic/kafka';

const { KAFKA_BROKERS, KAFKA_TOPIC, GROUP_ID, BENCH_MESSAGES, BENCH_SECONDS, BENCH_BATCH } = process.env;
const mode = BENCH_MESSAGES ? 'earliest' : 'latest';
const consumer = new Consumer({
  clientId: 'bench',
  groupId: GROUP_ID,
  bootstrapBrokers: [KAFKA_BROKERS],
  autocommit: false,
  // As this project's. Of its own 50 MB it would decode a million messages before it hands over the first.
  maxBytes: 1_048_576,
});
let started;
consumer.on('consumer:group:join', () => {
  started ??= performance.now();
});
const stream = await consumer.consume({ topics: [KAFKA_TOPIC], mode });
if (mode === 'latest') for await (const { value } of stream) process.stdout.write(`${value}\n`);

const next = new Map();
const commit = async () => {
  await consumer.commit({ offsets: [...next.values()] });
  next.clear();
};
const size = Number(BENCH_BATCH ?? 100);
let messages = 0;
for await (const { value, partition, offset, leaderEpoch = 0 } of stream) {
  JSON.parse(value);
  next.set(partition, { topic: KAFKA_TOPIC, partition, offset: offset + 1n, leaderEpoch });
  if (++messages % size === 0 || messages === Number(BENCH_MESSAGES)) {
    await commit();
    const isOver = performance.now() - started >= Number(BENCH_SECONDS) * 1000;
    if (isOver || messages === Number(BENCH_MESSAGES)) break;
  }
}
console.error(JSON.stringify({ messages, seconds: (performance.now() - started) / 1000 }));
process.exit(0);

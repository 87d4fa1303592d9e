// @platformatic/kafka at the same work: each value parsed, offsets committed after 100 messages or a batch.
import { Consumer } from '@platformatic/kafka';

const { KAFKA_BROKERS, KAFKA_TOPIC, GROUP_ID, BENCH_MESSAGES, BENCH_SECONDS, BENCH_BATCH, BENCH_LATENCY } =
  process.env;
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
const stream = await consumer.consume({
  topics: [KAFKA_TOPIC],
  mode: BENCH_LATENCY ? 'latest' : 'earliest',
  autocommit: false,
});

if (BENCH_LATENCY) {
  for await (const { value } of stream) process.stdout.write(`${value}\n`);
} else {
  const size = Number(BENCH_BATCH || 100);
  const next = new Map();
  const commit = async () => {
    const offsets = [...next].map(([partition, [offset, leaderEpoch]]) => ({
      topic: KAFKA_TOPIC,
      partition,
      offset,
      leaderEpoch,
    }));
    next.clear();
    await consumer.commit({ offsets });
  };
  let messages = 0;
  for await (const { value, partition, offset, leaderEpoch } of stream) {
    JSON.parse(value);
    next.set(partition, [offset + 1n, leaderEpoch ?? 0]);
    if (++messages % size === 0) {
      await commit();
      if (performance.now() - started >= Number(BENCH_SECONDS) * 1000) break;
    }
    if (messages >= Number(BENCH_MESSAGES)) break;
  }
  if (next.size > 0) await commit();
  console.error(JSON.stringify({ messages, seconds: (performance.now() - started) / 1000 }));
  process.exit(0);
}

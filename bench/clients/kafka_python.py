"""kafka-python at the same work: each value parsed, offsets committed after 100 messages or a batch."""
import json
import os
import sys
import time

from kafka import ConsumerRebalanceListener, KafkaConsumer

env = os.environ.get
latency = env("BENCH_LATENCY")
started = None


class Clock(ConsumerRebalanceListener):
    def on_partitions_assigned(self, assigned):
        global started
        started = started or time.perf_counter()

    def on_partitions_revoked(self, revoked):
        pass


consumer = KafkaConsumer(
    bootstrap_servers=env("KAFKA_BROKERS"),
    group_id=env("GROUP_ID"),
    auto_offset_reset="latest" if latency else "earliest",
    enable_auto_commit=False,
)
consumer.subscribe([env("KAFKA_TOPIC")], listener=Clock())

if latency:
    for message in consumer:
        print(message.value.decode(), flush=True)

total, seconds, size = int(env("BENCH_MESSAGES")), float(env("BENCH_SECONDS")), int(env("BENCH_BATCH") or 0)
messages = 0


def is_over():
    return messages >= total or time.perf_counter() - started >= seconds


if size:
    while not messages or not is_over():
        # What poll gives is of any number of partitions, and at most so many messages.
        for batch in consumer.poll(timeout_ms=1000, max_records=min(size, total - messages)).values():
            for message in batch:
                json.loads(message.value)
            messages += len(batch)
        consumer.commit()
else:
    for message in consumer:
        json.loads(message.value)
        messages += 1
        if messages % 100 == 0:
            consumer.commit()
            if is_over():
                break
print(json.dumps({"messages": messages, "seconds": time.perf_counter() - started}), file=sys.stderr)

"""confluent-kafka at the same work: each value parsed, offsets committed after 100 messages or a batch."""
import json
import os
import sys
import time

from confluent_kafka import Consumer

env = os.environ.get
latency = env("BENCH_LATENCY")
started = None


def on_assign(consumer, partitions):
    global started
    started = started or time.perf_counter()


consumer = Consumer(
    {
        "bootstrap.servers": env("KAFKA_BROKERS"),
        "group.id": env("GROUP_ID"),
        "auto.offset.reset": "latest" if latency else "earliest",
        "enable.auto.commit": False,
    }
)
consumer.subscribe([env("KAFKA_TOPIC")], on_assign=on_assign)

while latency:
    message = consumer.poll(1.0)
    if message is not None and not message.error():
        print(message.value().decode(), flush=True)

total, seconds, size = int(env("BENCH_MESSAGES")), float(env("BENCH_SECONDS")), int(env("BENCH_BATCH") or 0)
messages = 0


def is_over():
    return messages >= total or time.perf_counter() - started >= seconds


while not messages or not is_over():
    if size:
        batch = consumer.consume(min(size, total - messages), timeout=1.0)
        for message in batch:
            json.loads(message.value())
        messages += len(batch)
    else:
        for _ in range(100):
            message = consumer.poll(1.0)
            if message is not None:
                json.loads(message.value())
                messages += 1
    if messages:
        consumer.commit(asynchronous=False)
print(json.dumps({"messages": messages, "seconds": time.perf_counter() - started}), file=sys.stderr)
consumer.close()

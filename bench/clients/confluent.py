"""confluent-kafka, as its documentation has it: polled one by one, or consumed in batches."""
from confluent_kafka import Consumer

import work

consumer = Consumer(
    {
        "bootstrap.servers": work.BROKERS,
        "group.id": work.GROUP,
        "auto.offset.reset": work.OFFSET_RESET,
        "enable.auto.commit": False,
    }
)
consumer.subscribe([work.TOPIC], on_assign=work.start_clock)


def take(n):
    if work.SIZE:
        for message in consumer.consume(n, timeout=1.0):
            yield message.value()
    else:
        for _ in range(n):
            message = consumer.poll(1.0)
            if message is not None:
                yield message.value()


while work.FOLLOW:
    for value in take(1):
        work.show(value)
work.measure(take, lambda: consumer.commit(asynchronous=False))
consumer.close()

"""kafka-python, as its documentation has it: iterated over one by one, or polled for batches."""
from itertools import islice

from kafka import ConsumerRebalanceListener, KafkaConsumer

import work


class Listener(ConsumerRebalanceListener):
    on_partitions_assigned = staticmethod(work.start_clock)
    on_partitions_revoked = staticmethod(lambda revoked: None)


consumer = KafkaConsumer(
    bootstrap_servers=work.BROKERS,
    group_id=work.GROUP,
    auto_offset_reset=work.OFFSET_RESET,
    enable_auto_commit=False,
)
consumer.subscribe([work.TOPIC], listener=Listener())


def take(n):
    if work.SIZE:
        # What poll gives is of any number of partitions, and at most so many messages.
        for messages in consumer.poll(timeout_ms=1000, max_records=n).values():
            for message in messages:
                yield message.value
    else:
        for message in islice(consumer, n):
            yield message.value


if work.FOLLOW:
    for message in consumer:
        work.show(message.value)
work.measure(take, consumer.commit)

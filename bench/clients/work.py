"""What the clients in Python share: the work that each of them does, and the clock."""
import json
import os
import sys
import time

BROKERS, TOPIC, GROUP = (os.environ[name] for name in ("KAFKA_BROKERS", "KAFKA_TOPIC", "GROUP_ID"))
# What to do: print new messages, or take so many at once; 0: one by one.
FOLLOW = "BENCH_MESSAGES" not in os.environ
SIZE = int(os.environ.get("BENCH_BATCH", 0))
OFFSET_RESET = "latest" if FOLLOW else "earliest"

started = None


def start_clock(*_):
    """To be called with each assignment; the first one counts."""
    global started
    started = started or time.perf_counter()


def show(value):
    print(value.decode(), flush=True)


def measure(take, commit):
    """Parses what `take(n)` gives, at most n values, and commits it: a batch, or a hundred taken one by one."""
    total, seconds = int(os.environ["BENCH_MESSAGES"]), float(os.environ["BENCH_SECONDS"])
    messages = 0
    while messages < total and not (messages and time.perf_counter() - started >= seconds):
        before = messages
        for value in take(min(SIZE or 100, total - messages)):
            json.loads(value)
            messages += 1
        if messages > before:
            commit()
    print(json.dumps({"messages": messages, "seconds": time.perf_counter() - started}), file=sys.stderr)

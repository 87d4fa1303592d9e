/** This project's consumers as lib/ has them, with a handler that counts. */

import { consume, consumeInBatches } from '../../lib/group/consume';
import { describeBatch, describeReceived } from '../../lib/message/message';
import { print } from '../../lib/process/service';
import { batchConfig } from '../../lib/settings/settings';

const { BENCH_MESSAGES, BENCH_SECONDS, BENCH_BATCH, BENCH_LOG } = process.env;
const stop = new AbortController();
let started: number | undefined;
let ended = 0;
let messages = 0;

// The clock starts where the service says that it has its partitions.
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = ((line: string) => {
  if (line.startsWith('Starting at')) started ??= performance.now();
  return write(line);
}) as typeof process.stdout.write;

function handled(count: number): void {
  messages += count;
  ended = performance.now();
  const isOver = ended - (started as number) >= Number(BENCH_SECONDS) * 1000;
  if (messages >= Number(BENCH_MESSAGES) || isOver) stop.abort();
}

async function run(): Promise<void> {
  const config = batchConfig('bench', { autoOffsetReset: 'earliest' });
  if (BENCH_BATCH)
    await consumeInBatches(config, stop.signal, async (batch, ending) => {
      if (BENCH_LOG) print(describeBatch(batch, ending, Date.now()));
      handled(batch.length);
    });
  else
    await consume(config, stop.signal, async (message) => {
      if (BENCH_LOG) print(describeReceived(message, Date.now()));
      handled(1);
    });
  console.error(JSON.stringify({ messages, seconds: (ended - (started as number)) / 1000 }));
  process.exit(0);
}

void run();

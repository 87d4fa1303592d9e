/**
 * Takes messages in batches: BATCH_SIZE of them, or what has come by BATCH_WAIT_MS after the first.
 *
 * One call of the handler for many messages is what makes a batch cheap, say one write to a database. The
 * offsets of a batch are committed after the whole batch, so a consumer that dies gets all of it again.
 */

import { consumeInBatches } from '../lib/group/consume';
import { work } from '../lib/handling/work';
import { describeBatch } from '../lib/message/message';
import { print, runService } from '../lib/process/service';
import { batchConfig } from '../lib/settings/settings';

runService(async (stopping) => {
  const config = batchConfig('consumer_batch_message', { autoOffsetReset: 'earliest' });

  await consumeInBatches(config, stopping, async (messages, ending) => {
    await print(describeBatch(messages, ending, Date.now()));
    await work(config, ...messages);
  });
});

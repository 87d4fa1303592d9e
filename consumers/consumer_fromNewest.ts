/**
 * Sees only what is sent after it has started.
 *
 * What makes it so is `latest`: where a group without a committed offset starts. In this one line it differs
 * from consumer_fromOldest.ts. A group that has committed resumes there, whatever this line says.
 */

import { consume } from '../lib/group/consume';
import { work } from '../lib/handling/work';
import { describeReceived } from '../lib/message/message';
import { print, runService } from '../lib/process/service';
import { consumerConfig } from '../lib/settings/settings';

runService(async (stopping) => {
  const config = consumerConfig('consumer_from_newest', { autoOffsetReset: 'latest' });

  await consume(config, stopping, async (message) => {
    await print(describeReceived(message, Date.now()));
    await work(config, message);
  });
});

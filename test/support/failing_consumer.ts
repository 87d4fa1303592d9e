/** A consumer whose handler fails at offset 7, as somebody's own may. */

import { consume } from '../../lib/group/consume';
import { print, runService } from '../../lib/process/service';
import { consumerConfig } from '../../lib/settings/settings';

runService((stopping) =>
  consume(
    consumerConfig('failing_consumer', { autoOffsetReset: 'earliest' }),
    stopping,
    async ({ offset }) => {
      if (offset === 7) throw new Error('the database is full');
      print(`Handled: ${offset}`);
    },
  ),
);

/** A consumer whose handler fails at offset 7, as somebody's own may. */
import { consumerConfig } from '../../lib/config';
import { consume } from '../../lib/consumer';
import { print, runService } from '../../lib/service';

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

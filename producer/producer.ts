/**
 * Sends {"current_time":"YYYY-MM-DD HH:MM:SS"} to the topic, one message every SEND_INTERVAL_MS.
 *
 * The broker acknowledges a message once it is written; only then is it said to be sent. While the broker is
 * away the clock goes on ticking, and the messages wait in the outbox for their turn.
 */
import { writeFileSync } from 'node:fs';
import { describeSent, makeValue } from '../lib/message/message';
import { Outbox } from '../lib/outbox/outbox';
import { print, runService } from '../lib/process/service';
import { ticks } from '../lib/process/ticks';
import { producerConfig } from '../lib/settings/settings';

/** So many messages are a history to replay, or to skip: now the consumers may start. */
const HISTORY = 5;

runService(async (stopping) => {
  const config = producerConfig('kafka-producer');
  let sent = 0;

  const outbox = new Outbox(config, stopping, (value, partition, offset) => {
    print(describeSent(value, partition, offset));
    if (++sent === HISTORY && config.healthFile) writeFileSync(config.healthFile, '');
  });

  await outbox.open();
  for await (const time of ticks(config.sendIntervalMs, stopping)) {
    outbox.post(makeValue(time), time);
  }
  await outbox.close();
});

/** What an entrypoint calls: a member of a consumer group that loses nothing, and hands its messages to a handler. */
import { type BatchHandler, InBatches } from '../handling/batches';
import { guard } from '../handling/handler';
import { type MessageHandler, OneByOne } from '../handling/one_by_one';
import type { MakeWorker } from '../handling/worker';
import { describePlace } from '../message/message';
import type { BatchConfig, ConsumerConfig } from '../settings/settings';
import { Member } from './member';

/**
 * Hands each message to the handler, one by one, in order within each partition, at least once.
 *
 * @param stopping ends it: the message in hand is handled and committed, and the group left.
 * @throws Error of one line for what trying again can't mend
 */
export function consume(
  config: ConsumerConfig,
  stopping: AbortSignal,
  handle: MessageHandler,
): Promise<void> {
  const { guarded, failure } = guard(handle, (message) => describePlace([message]));
  return new Member(
    config,
    stopping,
    (commits, until) => new OneByOne(commits, until, guarded),
    failure,
  ).run();
}

/** As consume, but the handler gets batches: of one partition, in order, of BATCH_SIZE messages at the most. */
export function consumeInBatches(
  config: BatchConfig,
  stopping: AbortSignal,
  handle: BatchHandler,
): Promise<void> {
  const { batchSize, batchWaitMs } = config;
  const { guarded, failure } = guard(handle, describePlace);
  const makeWorker: MakeWorker = (commits, until) =>
    new InBatches(commits, until, batchSize, batchWaitMs, guarded);
  return new Member(config, stopping, makeWorker, failure).run();
}

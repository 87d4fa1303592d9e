/** Each message is handled by itself; offsets are committed after a second, or 100 messages. */
import { describeSkipped, type Message, parse } from '../message/message';
import { print } from '../process/service';
import type { Commits } from './commits';
import type { Fetched, Worker } from './worker';

export type MessageHandler = (message: Message) => Promise<void>;

export class OneByOne implements Worker {
  constructor(
    private readonly commits: Commits,
    private readonly until: AbortSignal,
    private readonly handle: MessageHandler,
  ) {}

  async take(partition: number, { records, end }: Fetched) {
    const { commits, until } = this;
    let next: number | undefined;
    for (const record of records) {
      if (commits.isFull) await commits.settle(() => until.aborted);
      if (until.aborted) return record.offset;
      const message = parse(partition, record);
      if ('reason' in message) await print(describeSkipped(partition, record, message.reason));
      else await this.handle(message);
      next = record.offset + 1;
      commits.handled(partition, next, 1);
    }
    if (next !== end) commits.handled(partition, end, 0);
    return end;
  }

  async drain(): Promise<void> {}

  async drop(): Promise<void> {}
}

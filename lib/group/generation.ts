import type { Membership } from './coordinator';

/**
 * A generation of the group: its members share the partitions, each with a part of its own, until the group is
 * rebalanced. What a member does, it does as one of this generation, and is refused it once there is another.
 */
export class Generation implements Membership {
  readonly memberId: string;
  /** Kafka's number of it. */
  readonly generationId: number;
  private readonly ended = new AbortController();
  /** Aborted once it is over, with what ended it as the reason. */
  readonly over = this.ended.signal;
  private readonly closed = new AbortController();
  /** Aborted once this member has nothing of it in hand any more. Until then it is alive, and says so. */
  readonly done = this.closed.signal;
  /** Aborted once nothing more is to be taken: it is over, or the member is to end. */
  readonly until: AbortSignal;

  /**
   * @param partitions this member's part
   * @param topicSize how many partitions the topic had when they were dealt out
   */
  constructor(
    { memberId, generationId }: Membership,
    readonly partitions: readonly number[],
    readonly topicSize: number,
    ending: AbortSignal,
  ) {
    this.memberId = memberId;
    this.generationId = generationId;
    // Not AbortSignal.any, which looks at the others each time that it is asked: it is asked for each message.
    const until = new AbortController();
    this.until = until.signal;
    for (const signal of [this.over, ending])
      signal.addEventListener('abort', () => until.abort(), { once: true, signal: this.done });
    if (ending.aborted) until.abort();
  }

  end(reason: unknown): void {
    this.ended.abort(reason);
  }

  close(): void {
    this.closed.abort();
  }
}

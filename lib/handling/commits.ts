/** The offsets of what has been handled and waits to be committed, in one generation of the group. */
import { sleep } from '../process/service';

/** Commits the offsets, by partition: each the offset of the first message not handled. May fail. */
export type SendCommit = (offsets: ReadonlyMap<number, number>) => Promise<void>;

/** Handled messages wait at most this long, in ms, for their commit ... */
const COMMIT_AFTER_MS = 1000;
/** ... and at most this many of them. */
const MOST_UNCOMMITTED = 100;
/** A commit that work waits for is tried again after this time, in ms. */
const RETRY_MS = 200;

export class Commits {
  private offsets = new Map<number, number>();
  private messages = 0;
  /** Messages whose commit is on its way. */
  private sent = 0;
  private hasFailed = false;
  private isOver = false;
  private timer: NodeJS.Timeout | undefined;
  private committing: Promise<void> | undefined;

  constructor(private readonly send: SendCommit) {}

  /** All messages before `next` in the partition are handled, `messages` of them since the last call. */
  handled(partition: number, next: number, messages: number): void {
    if (this.isOver) return;
    this.offsets.set(partition, next);
    this.messages += messages;
    // One timer from the first message on, not one that never rests: an idle consumer sleeps.
    this.timer ??= setTimeout(() => void this.commit(), COMMIT_AFTER_MS);
  }

  /** Messages handled, with no commit acknowledged. */
  get uncommitted(): number {
    return this.sent + this.messages;
  }

  /** No further message until these are committed: a member that the group throws out repeats these, not more. */
  get isFull(): boolean {
    return this.uncommitted >= MOST_UNCOMMITTED;
  }

  /** Commits what is handled. A commit that fails is tried again with the next one, or after a second. */
  async commit(): Promise<void> {
    // One after the other: of two at once, the earlier could fail, and roll the later back when repeated.
    while (this.committing) await this.committing;
    this.committing = this.commitOnce().finally(() => {
      this.committing = undefined;
    });
    await this.committing;
  }

  /** Waits until all that is handled is committed, or `interrupted` says that it never will be. */
  async settle(interrupted: () => boolean): Promise<void> {
    while (this.uncommitted > 0) {
      await (this.committing ?? this.commit());
      if (this.uncommitted === 0 || interrupted()) return;
      if (this.hasFailed) await sleep(RETRY_MS);
    }
  }

  /** The generation is over: what is not committed belongs to whoever has the partition now. */
  end(): void {
    this.isOver = true;
    this.clear();
  }

  private async commitOnce(): Promise<void> {
    const { offsets, messages } = this;
    this.clear();
    this.sent = messages;
    try {
      if (offsets.size > 0) await this.send(offsets);
      this.hasFailed = false;
    } catch {
      // A lost broker, or a rebalance: the member hears of the same error, and deals with it.
      this.hasFailed = true;
      for (const [partition, next] of offsets)
        this.handled(partition, this.offsets.get(partition) ?? next, 0);
      if (!this.isOver) this.messages += messages;
    } finally {
      this.sent = 0;
    }
  }

  private clear(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.offsets = new Map();
    this.messages = 0;
  }
}

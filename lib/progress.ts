/** The offsets of what has been handled and waits to be committed. */
import { sleep } from './service';

/** Commits the offsets, by partition: each the offset of the first message not handled. May fail. */
export type SendCommit = (offsets: ReadonlyMap<number, number>) => Promise<void>;

/** Handled messages wait at most this long, in ms, for their commit ... */
const COMMIT_AFTER_MS = 1000;
/** ... and at most this many of them. */
const COMMIT_AFTER_MESSAGES = 100;
/** A commit that work waits for is tried again after this time, in ms. */
const RETRY_MS = 200;

export class Progress {
  /** Counts the rebalances. Work that began in an earlier epoch no longer counts: it comes again. */
  epoch = 0;
  private offsets = new Map<number, number>();
  private messages = 0;
  /** Of messages, those whose commit is on its way. */
  private sent = 0;
  private hasFailed = false;
  private timer: NodeJS.Timeout | undefined;
  private committing: Promise<void> = Promise.resolve();
  private send: SendCommit = async () => {
    throw new Error('not in the group yet');
  };

  commitBy(send: SendCommit): void {
    this.send = send;
  }

  /** All messages before `next` in the partition are handled, `messages` of them since the last call. */
  handled(partition: number, next: number, messages: number): void {
    this.offsets.set(partition, next);
    this.messages += messages;
    // One timer from the first message on, not one that never rests: an idle consumer sleeps.
    this.timer ??= setTimeout(() => void this.commit(), COMMIT_AFTER_MS);
  }

  /** Time to commit, and to wait for it: the messages bound is reached. */
  get isDue(): boolean {
    return this.uncommitted >= COMMIT_AFTER_MESSAGES;
  }

  /** Messages handled, with no commit acknowledged. */
  get uncommitted(): number {
    return this.sent + this.messages;
  }

  /** Commits what is handled. A commit that fails is tried again with the next one, or after a second. */
  commit(): Promise<void> {
    // One after the other: of two at once, the earlier could fail, and roll the later back when repeated.
    this.committing = this.committing.then(() => this.commitOnce());
    return this.committing;
  }

  /** The latest commit was refused. */
  get isOwed(): boolean {
    return this.hasFailed;
  }

  /** Commits, again and again where it fails, until that is done or `interrupted` says that it never will be. */
  async settle(interrupted: () => boolean): Promise<void> {
    await this.commit();
    while (this.hasFailed && !interrupted()) {
      await sleep(RETRY_MS);
      await this.commit();
    }
  }

  /** The group has been rebalanced: what is not committed belongs to whoever has the partition now. */
  forget(): void {
    this.epoch++;
    this.hasFailed = false;
    this.clear();
  }

  private async commitOnce(): Promise<void> {
    const { offsets, messages, epoch } = this;
    this.clear();
    if (offsets.size === 0) return;
    this.sent = messages;
    try {
      await this.send(offsets);
      this.hasFailed = false;
    } catch {
      // Lost broker or rebalance: kafkajs meets the same error on its own way, and deals with it.
      if (epoch !== this.epoch) return;
      this.hasFailed = true;
      for (const [partition, next] of offsets) {
        this.handled(partition, this.offsets.get(partition) ?? next, 0);
      }
      this.messages += messages;
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

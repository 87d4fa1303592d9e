/** What a group has committed, commit by commit: where it began, how far each went, what stood when it was shared out. */
import type { Written } from './commits';
import type { First, Offset } from './picture';

/** From a consumer's look for the end of the log to its commit there, in ms: what is sent meanwhile is new to it. */
const STARTING_MS = 1000;

/** What the log was at a moment: so many messages from this offset on, if that is known; and its first offset. */
export interface LogThen {
  start: number;
  ahead(offset: number, at: number): number | undefined;
}

export class Trail {
  /** By partition; undefined where it is not known. */
  private readonly firsts = new Map<string, First | undefined>();
  private readonly steps = new Map<string, { to: number; at: number; step?: number }>();
  private sharing: { at: number; committed: Map<string, { to: number; at: number }> } | undefined;

  /** One thing that Kafka wrote down; all that was written is to be told, in its order. */
  note(written: Written, log: LogThen): void {
    if (!('partition' in written)) {
      this.sharing = { at: written.at, committed: new Map(this.steps) };
      return;
    }
    const partition = String(written.partition);
    const { offset: to, at, isWhole } = written;
    if (to === undefined) {
      this.firsts.delete(partition);
      this.steps.delete(partition);
      return;
    }
    const before = this.steps.get(partition)?.to;
    if (!this.firsts.has(partition))
      this.firsts.set(partition, isWhole ? this.first(to, at, log) : undefined);
    this.steps.set(partition, {
      to,
      at,
      ...(before !== undefined && to > before && { step: to - before }),
    });
  }

  /** What is known of the partition's commits; what is committed may be told before it was written in the trail. */
  of(partition: string, committed: number): Pick<Offset, 'first' | 'step' | 'at'> {
    const first = this.firsts.get(partition);
    const last = this.steps.get(partition);
    return {
      ...(first && { first }),
      ...(last?.to === committed && { at: last.at }),
      ...(last?.to === committed && last.step && { step: last.step }),
    };
  }

  /** What is written can't be read: what is committed first seen has to do. */
  seen(partition: string, offset: number, at: number, log: LogThen): void {
    if (!this.firsts.has(partition)) this.firsts.set(partition, this.first(offset, at, log));
    const before = this.steps.get(partition)?.to;
    if (before !== offset)
      this.steps.set(partition, {
        to: offset,
        at,
        ...(before !== undefined && offset > before && { step: offset - before }),
      });
  }

  /** When its partitions were shared out last, and what it had committed of one then. */
  shared(): number | undefined {
    return this.sharing?.at;
  }

  committedWhenShared(partition: string): { to: number; at: number } | undefined {
    return this.sharing?.committed.get(partition);
  }

  private first(offset: number, at: number, { start, ahead }: LogThen): First {
    // What was sent while it looked for the end is new to it.
    const left = ahead(offset, at - STARTING_MS) === 0 ? 0 : ahead(offset, at);
    return { offset, start, ...(left !== undefined && { ahead: left }) };
  }
}

/**
 * A batch in the making, for one partition: complete at `size` items, or due `waitMs` after its first item,
 * whichever comes first. Pure: it is told the time, and never asks for it.
 */
export class Batch<T> {
  private items: T[] = [];
  private since = 0;
  private held = 0;

  /**
   * @param size the most items of a batch, from 1
   * @param waitMs the longest wait from the batch's first item, in ms
   */
  constructor(
    private readonly size: number,
    private readonly waitMs: number,
  ) {}

  /** Takes one more item, of so many bytes, at the time `now` in ms. A full batch must be taken before the next. */
  add(item: T, bytes: number, now: number): void {
    if (this.items.length === 0) this.since = now;
    this.items.push(item);
    this.held += bytes;
  }

  /** What its items take in memory. */
  get bytes(): number {
    return this.held;
  }

  get isEmpty(): boolean {
    return this.items.length === 0;
  }

  get isFull(): boolean {
    return this.items.length >= this.size;
  }

  /** Ms from `now` until the batch is due; 0 or less: it is. Of no meaning for an empty batch. */
  dueIn(now: number): number {
    return this.since + this.waitMs - now;
  }

  /** Ms since the batch's first item. */
  waited(now: number): number {
    return now - this.since;
  }

  /** Hands over the items and begins anew. */
  take(): T[] {
    const items = this.items;
    this.items = [];
    this.held = 0;
    return items;
  }
}

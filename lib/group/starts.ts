import type { Bounds, Topic } from '../client/topic';
import { print } from '../process/service';
import type { ConsumerConfig } from '../settings/settings';

/** What this process knows of a partition, over all generations of its group. */
interface Known {
  /** Its end when this process came: what `latest` means for as long as it lives. Undefined: it was not there. */
  end?: number;
  /** Where this process made the group start. */
  made?: number;
  /** Where we start was said: it has been ours. */
  isSaid?: boolean;
}

/** The commits of the group, in one generation. */
export interface Committed {
  /** The committed offsets of these partitions, of those that have one. */
  fetch(partitions: readonly number[]): Promise<ReadonlyMap<number, number>>;
  commit(offsets: ReadonlyMap<number, number>): Promise<void>;
}

/**
 * Where partitions start:
 *
 *     the group has committed | and that is       | start at                 | says
 *     an offset               | in the log        | that offset              | Resuming, once
 *                             | before its start  | what AUTO_OFFSET_RESET   | Gone, Starting
 *                             | beyond its end    | says                     | Gone, Starting
 *     none                    |                   |                          | Starting
 *
 * `latest` is the end of the partition when this process came, however late its first fetch: what is sent after that is
 * never missed. Whether an offset is in the log is asked only once a fetch has found that one is not.
 */
export class Starts {
  private readonly known = new Map<number, Known>();
  private hasCome = false;
  private isDoubted = false;

  constructor(
    private readonly config: ConsumerConfig,
    private readonly topic: Topic,
  ) {}

  /** Remembers where the topic ends, the first time that it is called; `earliest` need not know. */
  async remember(): Promise<void> {
    if (this.hasCome || this.config.autoOffsetReset === 'earliest') return;
    for (const [partition, { high }] of await this.topic.bounds()) this.at(partition).end = high;
    this.hasCome = true;
  }

  /** A fetch found an offset outside of the log: the committed ones are held against it the next time. */
  doubt(): void {
    this.isDoubted = true;
  }

  /** @returns where each of the partitions starts, and says so. May fail, and be tried again */
  async place(partitions: readonly number[], group: Committed): Promise<Map<number, number>> {
    const committed = await group.fetch(partitions);
    const open = partitions.filter((partition) => this.isDoubted || !committed.has(partition));
    const bounds = open.length > 0 ? await this.topic.bounds(open) : new Map<number, Bounds>();
    const starts = new Map(committed);
    const made = new Map<number, number>();
    const lines: string[] = [];
    for (const partition of partitions) {
      const offset = committed.get(partition);
      const log = bounds.get(partition);
      if (log && (offset === undefined || offset < log.low || offset > log.high)) {
        const start = this.reset(partition, offset, log);
        starts.set(partition, start);
        made.set(partition, start);
        this.at(partition).made = start;
        if (offset !== undefined) lines.push(this.goneLine(partition, offset, log));
        lines.push(this.startLine(partition, start));
      } else if (offset !== undefined && !this.at(partition).isSaid)
        // Committed by this process, which the group then was rebalanced under.
        lines.push(
          this.at(partition).made === offset
            ? this.startLine(partition, offset)
            : `Resuming at offset ${offset} (committed by group ${this.config.groupId}, partition ${partition})`,
        );
    }
    // Before the first message: so it holds for every later rebalance, and for whichever member comes next.
    if (made.size > 0) await group.commit(made);
    this.isDoubted = false;
    for (const partition of partitions) this.at(partition).isSaid = true;
    for (const line of lines) print(line);
    return starts;
  }

  /** The offset that AUTO_OFFSET_RESET means. */
  private reset(partition: number, committed: number | undefined, { low, high }: Bounds): number {
    const known = this.at(partition);
    // It has been ours, and our commits are gone: so is the topic that they were for, and this is another one.
    if (known.isSaid && committed === undefined) known.end = undefined;
    // A partition that was not there when this process came has only messages that are newer than it; so has one that
    // ends before its former end.
    const end = known.end ?? 0;
    return this.config.autoOffsetReset === 'latest' && end <= high ? Math.max(low, end) : low;
  }

  private at(partition: number): Known {
    let known = this.known.get(partition);
    if (!known) {
      known = {};
      this.known.set(partition, known);
    }
    return known;
  }

  private startLine(partition: number, offset: number): string {
    return `Starting at offset ${offset} (${this.config.autoOffsetReset}, partition ${partition})`;
  }

  private goneLine(partition: number, offset: number, { low, high }: Bounds): string {
    return offset < low
      ? `Gone: offsets ${offset}-${low - 1} (partition ${partition}): deleted before they were read`
      : `Gone: offset ${offset}, committed by group ${this.config.groupId} (partition ${partition}): the log ends at ${high}, it is another one or was cut off`;
  }
}

import type { Admin } from 'kafkajs';
import type { Membership } from '../client/client';
import { print } from '../process/service';
import type { ConsumerConfig } from '../settings/settings';

/** The offsets of a partition's first message, and of the one that comes next. */
interface Bounds {
  low: number;
  high: number;
}

/** Where this process found a partition, or put it. */
interface Place {
  partition: number;
  offset: number;
  /** To be committed first: so it holds for every later rebalance, and for whichever member comes next. */
  isNew: boolean;
  lines: string[];
}

/**
 * Where partitions start: at the group's committed offset, and where it has none, or one that is no longer in the log,
 * at what `earliest` and `latest` mean. Lives as long as the process, over all generations of its group.
 */
export class Starts {
  /** The end of each partition when this process came: what `latest` means for as long as it lives. */
  private ends: Map<number, number> | undefined;
  /** Where this process made the group start, by partition. */
  private readonly made = new Map<number, number>();
  private readonly announced = new Set<number>();
  private isDoubted = false;

  constructor(
    private readonly config: ConsumerConfig,
    private readonly admin: Admin,
  ) {}

  /** Remembers where the topic ends, the first time that it is called. */
  async remember(): Promise<void> {
    this.ends ??= new Map([...(await this.bounds())].map(([partition, { high }]) => [partition, high]));
  }

  /** A fetch found an offset outside of the log: the committed ones are held against it the next time. */
  doubt(): void {
    this.isDoubted = true;
  }

  /** Has each partition of the membership be fetched from its start, and says where that is. May fail, and be tried again. */
  async place(membership: Membership): Promise<void> {
    const committed = await this.committed(membership.partitions);
    const isKnown = membership.partitions.every((partition) => committed.has(partition));
    const bounds = isKnown && !this.isDoubted ? undefined : await this.bounds();
    const places = membership.partitions.flatMap(
      (partition) => this.find(partition, committed.get(partition), bounds?.get(partition)) ?? [],
    );
    const made = places.filter(({ isNew }) => isNew);
    for (const { partition, offset } of made) this.made.set(partition, offset);
    if (made.length > 0)
      await membership.commit(new Map(made.map(({ partition, offset }) => [partition, offset])));
    this.isDoubted = false;
    // One that is new, and that the broker asked does not know yet: its first message is new to us. Not left to kafkajs.
    for (const partition of membership.partitions) membership.seek(partition, 0);
    for (const { partition, offset, lines } of places) {
      membership.seek(partition, offset);
      this.announced.add(partition);
      for (const line of lines) print(line);
    }
  }

  /** @returns undefined where there is no such partition (any more) */
  private find(
    partition: number,
    committed: number | undefined,
    bounds: Bounds | undefined,
  ): Place | undefined {
    if (committed === undefined) {
      // We have been at this partition, and our commits are gone: so is the topic that they were for.
      if (this.announced.has(partition)) this.ends?.delete(partition);
      return bounds && this.reset(partition, bounds, []);
    }
    if (!this.isDoubted || !bounds || (committed >= bounds.low && committed <= bounds.high))
      return { partition, offset: committed, isNew: false, lines: this.introduce(partition, committed) };
    return this.reset(partition, bounds, [
      committed < bounds.low
        ? `Gone: offsets ${committed}-${bounds.low - 1} (partition ${partition}): deleted before they were read`
        : `Gone: offset ${committed}, committed by group ${this.config.groupId} (partition ${partition}): the log ends at ${bounds.high}, it is another one or was cut off`,
    ]);
  }

  private reset(partition: number, { low, high }: Bounds, lines: string[]): Place {
    const { autoOffsetReset } = this.config;
    // A partition that was not there when this process came has only messages that are newer than it; so has one that
    // ends before its former end.
    const end = this.ends?.get(partition) ?? 0;
    const offset = autoOffsetReset === 'latest' && end <= high ? Math.max(low, end) : low;
    const line = this.startLine(partition, offset);
    return { partition, offset, isNew: true, lines: [...lines, line] };
  }

  private introduce(partition: number, offset: number): string[] {
    if (this.announced.has(partition)) return [];
    // Committed by this process, which the group then was rebalanced under.
    if (this.made.get(partition) === offset) return [this.startLine(partition, offset)];
    return [
      `Resuming at offset ${offset} (committed by group ${this.config.groupId}, partition ${partition})`,
    ];
  }

  private startLine(partition: number, offset: number): string {
    return `Starting at offset ${offset} (${this.config.autoOffsetReset}, partition ${partition})`;
  }

  private async committed(partitions: readonly number[]): Promise<Map<number, number>> {
    if (partitions.length === 0) return new Map();
    const { groupId, topic } = this.config;
    const [committed] = await this.admin.fetchOffsets({ groupId, topics: [topic] });
    return new Map(
      (committed?.partitions ?? [])
        .map(({ partition, offset }): [number, number] => [partition, Number(offset)])
        .filter(([, offset]) => offset >= 0),
    );
  }

  private async bounds(): Promise<Map<number, Bounds>> {
    const offsets = await this.admin.fetchTopicOffsets(this.config.topic);
    return new Map(
      offsets.map(({ partition, low, high }) => [partition, { low: Number(low), high: Number(high) }]),
    );
  }
}

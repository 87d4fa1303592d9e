/**
 * What a consumer does with the records that it is given: one by one, or in batches. Both handle a partition's
 * records in order, one call of the handler at a time, and report as handled only what is.
 */
import { Batch } from './batch';
import type { BatchConfig } from './config';
import { describeSkipped, type KafkaRecord, type Message, parse } from './message';
import type { Progress } from './progress';
import { print } from './service';

export interface Worker {
  /**
   * Takes records of one partition until there are no more or `interrupted` says so.
   *
   * @returns the offset after the last record taken, or undefined where none was
   */
  take(partition: number, records: KafkaRecord[], interrupted: () => boolean): Promise<number | undefined>;
  /** Drops what was taken and not handled: after a rebalance, it comes again. */
  drop(): void;
  /** Handles what was taken. */
  finish(): Promise<void>;
}

export type MessageHandler = (message: Message) => Promise<void>;

/** Each message is handled by itself; offsets are committed after 100 messages or a second. */
export class OneByOne implements Worker {
  constructor(
    private readonly progress: Progress,
    private readonly handle: MessageHandler,
  ) {}

  async take(partition: number, records: KafkaRecord[], interrupted: () => boolean) {
    const { epoch } = this.progress;
    let next: number | undefined;
    for (const record of records) {
      if (interrupted()) break;
      const message = parse(partition, record);
      if ('reason' in message) print(describeSkipped(partition, record, message.reason));
      else await this.handle(message);
      // Rebalanced meanwhile: the partition may be another member's, and so is the right to commit.
      if (epoch !== this.progress.epoch) return undefined;
      next = Number(record.offset) + 1;
      this.progress.handled(partition, next, 1);
      // Without the commit no further message: a member that the group has thrown out repeats these, not more.
      if (this.progress.isDue) await this.progress.settle(interrupted);
    }
    return next;
  }

  drop(): void {}

  async finish(): Promise<void> {}
}

/** @param ending why the batch ended: `full`, `waited N ms` or `stopping` */
export type BatchHandler = (messages: Message[], ending: string) => Promise<void>;

/** Each partition gathers a batch of its own; its offsets are committed once the whole batch is handled. */
export class InBatches implements Worker {
  private partitions = new Map<number, Gathering>();
  /** The call of the handler that is under way, and those behind it. */
  private handling: Promise<void> = Promise.resolve();

  constructor(
    private readonly progress: Progress,
    private readonly config: BatchConfig,
    private readonly handle: BatchHandler,
  ) {}

  async take(partition: number, records: KafkaRecord[], interrupted: () => boolean) {
    const { epoch } = this.progress;
    const gathering = this.at(partition);
    const { batch } = gathering;
    let next: number | undefined;
    for (const record of records) {
      // Without the commit of the batch before no further message, as above.
      if (this.progress.isOwed) await this.progress.settle(interrupted);
      if (interrupted()) break;
      next = Number(record.offset) + 1;
      gathering.next = next;
      const message = parse(partition, record);
      if ('reason' in message) {
        print(describeSkipped(partition, record, message.reason));
        if (batch.isEmpty) this.pass(partition, next);
        continue;
      }
      batch.add(message, performance.now());
      if (batch.isFull) await this.hand(gathering);
      else this.wait(gathering);
      if (epoch !== this.progress.epoch) return undefined;
    }
    return next;
  }

  drop(): void {
    for (const { timer } of this.partitions.values()) clearTimeout(timer);
    this.partitions.clear();
  }

  async finish(): Promise<void> {
    for (const gathering of this.partitions.values()) void this.hand(gathering, 'stopping');
    await this.handling;
  }

  private at(partition: number): Gathering {
    let gathering = this.partitions.get(partition);
    if (!gathering) {
      const { batchSize, batchWaitMs } = this.config;
      gathering = { partition, batch: new Batch(batchSize, batchWaitMs), next: 0, timer: undefined };
      this.partitions.set(partition, gathering);
    }
    return gathering;
  }

  /** One timer from the batch's first message on. */
  private wait(gathering: Gathering): void {
    const { batch } = gathering;
    gathering.timer ??= setTimeout(
      () => {
        gathering.timer = undefined;
        // A timer may go off a little early: the batch decides.
        if (batch.dueIn(performance.now()) > 0) this.wait(gathering);
        else void this.hand(gathering);
      },
      Math.max(1, Math.ceil(batch.dueIn(performance.now()))),
    );
  }

  /**
   * Handles the partition's batch when its turn comes. Until then it goes on gathering: a handler that is slower
   * than the wait gets larger batches, not more of them.
   */
  private hand(gathering: Gathering, ending?: 'stopping'): Promise<void> {
    const { epoch } = this.progress;
    this.handling = this.handling.then(async () => {
      const { partition, batch, next } = gathering;
      // Rebalanced meanwhile: it comes again. Or empty: the turn before this one took all.
      if (epoch !== this.progress.epoch || batch.isEmpty) return;
      clearTimeout(gathering.timer);
      gathering.timer = undefined;
      const waited = `waited ${Math.round(batch.waited(performance.now()))} ms`;
      const end = batch.isFull ? 'full' : (ending ?? waited);
      const messages = batch.take();
      await this.handle(messages, end);
      if (epoch !== this.progress.epoch) return;
      this.progress.handled(partition, next, messages.length);
      await this.progress.commit();
    });
    return this.handling;
  }

  /** A skipped record with no batch in the making: it is committed after the batches before it. */
  private pass(partition: number, next: number): void {
    const { epoch } = this.progress;
    this.handling = this.handling.then(() => {
      if (epoch === this.progress.epoch) this.progress.handled(partition, next, 1);
    });
  }
}

/** What a partition has of its own. */
interface Gathering {
  partition: number;
  batch: Batch<Message>;
  /** The offset after the last record taken, be it in the batch or skipped. */
  next: number;
  timer: NodeJS.Timeout | undefined;
}

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
      if (this.progress.isDue) await this.progress.commit();
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
  private partitions = new Map<number, { batch: Batch<Message>; next: number; timer?: NodeJS.Timeout }>();
  /** The call of the handler that is under way, and those behind it. */
  private handling: Promise<void> = Promise.resolve();

  constructor(
    private readonly progress: Progress,
    private readonly config: BatchConfig,
    private readonly handle: BatchHandler,
  ) {}

  async take(partition: number, records: KafkaRecord[], interrupted: () => boolean) {
    const { epoch } = this.progress;
    let next: number | undefined;
    const { batch } = this.at(partition);
    for (const record of records) {
      if (interrupted()) break;
      next = Number(record.offset) + 1;
      this.at(partition).next = next;
      const message = parse(partition, record);
      if ('reason' in message) {
        print(describeSkipped(partition, record, message.reason));
        if (batch.isEmpty) this.pass(partition, next);
      } else if (batch.add(message, performance.now())) {
        await this.hand(partition, 'full');
        if (epoch !== this.progress.epoch) return undefined;
      } else if (!this.at(partition).timer) {
        this.wait(partition);
      }
    }
    return next;
  }

  drop(): void {
    for (const { timer } of this.partitions.values()) clearTimeout(timer);
    this.partitions.clear();
  }

  async finish(): Promise<void> {
    for (const [partition, { batch }] of this.partitions) {
      if (!batch.isEmpty) void this.hand(partition, 'stopping');
    }
    await this.handling;
  }

  private at(partition: number) {
    let state = this.partitions.get(partition);
    if (!state) {
      state = { batch: new Batch(this.config.batchSize, this.config.batchWaitMs), next: 0 };
      this.partitions.set(partition, state);
    }
    return state;
  }

  private wait(partition: number): void {
    const state = this.at(partition);
    const now = performance.now();
    state.timer = setTimeout(
      () => {
        state.timer = undefined;
        // A timer may go off a little early: the batch decides.
        if (state.batch.dueIn(performance.now()) > 0) this.wait(partition);
        else void this.hand(partition);
      },
      Math.max(1, Math.ceil(state.batch.dueIn(now))),
    );
  }

  /** A skipped record with no batch in the making: it is committed after the batches before it. */
  private pass(partition: number, next: number): void {
    const { epoch } = this.progress;
    this.handling = this.handling.then(() => {
      if (epoch === this.progress.epoch) this.progress.handled(partition, next, 1);
    });
  }

  /** Takes the partition's batch and handles it, after the batches before it. No ending: it has waited. */
  private hand(partition: number, ending?: string): Promise<void> {
    const { epoch } = this.progress;
    const state = this.at(partition);
    const { batch, next } = state;
    const waited = `waited ${Math.round(batch.waited(performance.now()))} ms`;
    const messages = batch.take();
    clearTimeout(state.timer);
    state.timer = undefined;
    this.handling = this.handling.then(async () => {
      // Rebalanced while this batch stood in line, or while it was handled: it comes again.
      if (epoch !== this.progress.epoch) return;
      await this.handle(messages, ending ?? waited);
      if (epoch !== this.progress.epoch) return;
      this.progress.handled(partition, next, messages.length);
      await this.progress.commit();
    });
    return this.handling;
  }
}

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
  /** Of the records being taken; none are, most of the time. */
  private interrupted = () => false;
  private finishing = false;

  constructor(
    private readonly progress: Progress,
    private readonly config: BatchConfig,
    private readonly handle: BatchHandler,
  ) {}

  async take(partition: number, records: KafkaRecord[], interrupted: () => boolean) {
    const { epoch } = this.progress;
    const gathering = this.at(partition);
    const { batch } = gathering;
    this.interrupted = interrupted;
    let next: number | undefined;
    for (const record of records) {
      if (batch.isFull) await this.hand(gathering);
      if (interrupted() || batch.isFull) break;
      next = Number(record.offset) + 1;
      gathering.next = next;
      const message = parse(partition, record);
      if ('reason' in message) {
        print(describeSkipped(partition, record, message.reason));
        if (batch.isEmpty) this.pass(partition, next);
        continue;
      }
      batch.add(message, performance.now());
      if (!batch.isFull) this.wait(gathering);
    }
    if (batch.isFull && epoch === this.progress.epoch) await this.hand(gathering);
    this.interrupted = () => false;
    return epoch === this.progress.epoch ? next : undefined;
  }

  drop(): void {
    for (const { timer } of this.partitions.values()) clearTimeout(timer);
    this.partitions.clear();
  }

  async finish(): Promise<void> {
    this.finishing = true;
    for (const gathering of this.partitions.values()) void this.hand(gathering);
    await this.handling;
  }

  private at(partition: number): Gathering {
    let gathering = this.partitions.get(partition);
    if (!gathering) {
      const { batchSize, batchWaitMs } = this.config;
      gathering = {
        partition,
        batch: new Batch(batchSize, batchWaitMs),
        next: 0,
        timer: undefined,
        turn: undefined,
      };
      this.partitions.set(partition, gathering);
    }
    return gathering;
  }

  /** One timer from the batch's first message on, unless its turn is to come anyway. */
  private wait(gathering: Gathering): void {
    const { batch } = gathering;
    if (gathering.turn) return;
    gathering.timer ??= setTimeout(
      () => {
        gathering.timer = undefined;
        // A timer may go off a little early: the batch decides.
        if (batch.isFull || batch.dueIn(performance.now()) <= 0) void this.hand(gathering);
        else this.wait(gathering);
      },
      batch.isFull ? 1 : Math.max(1, Math.ceil(batch.dueIn(performance.now()))),
    );
  }

  /**
   * Handles the partition's batch when its turn comes: one turn a partition, so that a busy one does not keep the
   * others waiting. Until then it goes on gathering: a handler that is slower than the wait gets larger batches,
   * not more of them.
   */
  private hand(gathering: Gathering): Promise<void> {
    gathering.turn ??= this.takeTurn(gathering);
    return gathering.turn;
  }

  private takeTurn(gathering: Gathering): Promise<void> {
    const { epoch } = this.progress;
    const { partition, batch } = gathering;
    const isRebalanced = () => epoch !== this.progress.epoch;
    this.handling = this.handling.then(async () => {
      // Without the commit of the batches before no further one: a member that the group has thrown out repeats
      // these, not more.
      if (this.progress.isOwed)
        await this.progress.settle(() => isRebalanced() || this.finishing || this.interrupted());
      gathering.turn = undefined;
      // Rebalanced meanwhile: it comes again. Or empty, where a stop has it handed over.
      if (isRebalanced() || batch.isEmpty) return;
      clearTimeout(gathering.timer);
      gathering.timer = undefined;
      if (this.progress.isOwed && !this.finishing) {
        this.wait(gathering);
        return;
      }
      const { next } = gathering;
      const end = this.ending(batch);
      const messages = batch.take();
      await this.handle(messages, end);
      if (isRebalanced()) return;
      this.progress.handled(partition, next, messages.length);
      await this.progress.commit();
    });
    return this.handling;
  }

  private ending(batch: Batch<Message>): string {
    if (batch.isFull) return 'full';
    const now = performance.now();
    return batch.dueIn(now) <= 0 ? `waited ${Math.round(batch.waited(now))} ms` : 'stopping';
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
  /** Its place in the queue for the handler. */
  turn: Promise<void> | undefined;
}

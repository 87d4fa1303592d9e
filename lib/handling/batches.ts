/** Each partition gathers a batch of its own; its offsets are committed once the whole batch is handled. */
import { setImmediate } from 'node:timers/promises';
import { describeSkipped, type KafkaRecord, type Message, parse } from '../message/message';
import { print } from '../process/service';
import { Batch } from './batch';
import type { Commits } from './commits';
import type { Fetched, Worker } from './worker';

/** The batches in the making of all partitions hold at most so many bytes: more does not fit in the heap. */
const MOST_BYTES = 8_000_000;
/** What a message takes besides its text. */
const MESSAGE_BYTES = 200;

/** @param ending why the batch ended: `full`, `full at 8 MB`, `waited N ms` or `stopping` */
export type BatchHandler = (messages: Message[], ending: string) => Promise<void>;

/** What a partition has of its own. */
interface Gathering {
  partition: number;
  batch: Batch<Message>;
  /** It is to be handed over for its bytes. */
  isHeavy: boolean;
  /** The offset after the last record taken, be it in the batch or skipped. */
  next: number;
  /** The offset after the last skipped record, while that waits for the batches before it: to be committed with these. */
  passed: number | undefined;
  timer: NodeJS.Timeout | undefined;
  /** Its place in the queue for the handler. */
  turn: Promise<void> | undefined;
}

export class InBatches implements Worker {
  private readonly partitions = new Map<number, Gathering>();
  /** The call of the handler that is under way, and those behind it. */
  private handling: Promise<void> = Promise.resolve();
  private isDraining = false;
  private isOver = false;
  /** Of the batches in the making, in bytes. */
  private held = 0;

  /**
   * @param size the most messages of a batch
   * @param waitMs the longest wait from a batch's first message, in ms
   */
  constructor(
    private readonly commits: Commits,
    private readonly until: AbortSignal,
    private readonly size: number,
    private readonly waitMs: number,
    private readonly handle: BatchHandler,
  ) {}

  async take(partition: number, { records, end }: Fetched) {
    const next = await this.gather(this.at(partition), records);
    if (next === undefined) this.pass(this.at(partition), end);
    return next ?? end;
  }

  async drain(): Promise<void> {
    this.isDraining = true;
    for (const gathering of this.partitions.values()) void this.hand(gathering);
    await this.handling;
  }

  drop(): Promise<void> {
    this.isOver = true;
    for (const { timer } of this.partitions.values()) clearTimeout(timer);
    return this.handling;
  }

  /** Gives the offset of the first record that it leaves, or undefined where it takes all. */
  private async gather(gathering: Gathering, records: Iterable<KafkaRecord>) {
    const { until } = this;
    const { partition, batch } = gathering;
    for (const record of records) {
      if (batch.isFull) await this.hand(gathering);
      if (until.aborted || batch.isFull) return record.offset;
      const message = parse(partition, record);
      if ('reason' in message) {
        await print(describeSkipped(partition, record, message.reason));
        this.pass(gathering, record.offset + 1);
        continue;
      }
      const bytes = bytesOf(message, record);
      if (!this.hasRoom(bytes)) {
        await this.makeRoom(bytes);
        if (until.aborted || !this.hasRoom(bytes)) return record.offset;
      }
      gathering.next = record.offset + 1;
      batch.add(message, bytes, performance.now());
      this.held += bytes;
      if (!batch.isFull) this.wait(gathering);
    }
    if (batch.isFull && !this.isOver) await this.hand(gathering);
    if (!this.hasRoom(0)) await this.makeRoom(0);
    return undefined;
  }

  private hasRoom(bytes: number): boolean {
    return this.held === 0 || this.held + bytes < MOST_BYTES;
  }

  /** Hands over the largest batches until there is room for so many bytes more, or no further one is taken. */
  private async makeRoom(bytes: number): Promise<void> {
    while (!this.hasRoom(bytes) && !this.isOver) {
      const { held } = this;
      const largest = this.largest();
      largest.isHeavy = true;
      await this.hand(largest);
      if (this.held >= held) return;
    }
  }

  private largest(): Gathering {
    return [...this.partitions.values()].reduce((one, other) =>
      other.batch.bytes > one.batch.bytes ? other : one,
    );
  }

  /** Nothing before `next` is left to handle, but the batch in the making: it is committed with that one. */
  private pass(gathering: Gathering, next: number): void {
    if (gathering.next === next) return;
    gathering.next = next;
    if (!gathering.batch.isEmpty) return;
    // With none in the making, after the batches before it. Of many in a row one waits for all.
    if (gathering.passed === undefined)
      this.handling = this.handling.then(() => {
        this.commits.handled(gathering.partition, gathering.passed as number, 0);
        gathering.passed = undefined;
      });
    gathering.passed = next;
  }

  private at(partition: number): Gathering {
    let gathering = this.partitions.get(partition);
    if (!gathering) {
      const batch = new Batch<Message>(this.size, this.waitMs);
      gathering = {
        partition,
        batch,
        isHeavy: false,
        next: 0,
        passed: undefined,
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
    if (gathering.turn || gathering.timer || this.isOver) return;
    gathering.timer = setTimeout(
      () => {
        gathering.timer = undefined;
        // A timer may go off a little early: the batch decides.
        if (batch.dueIn(performance.now()) <= 0) void this.hand(gathering);
        else this.wait(gathering);
      },
      Math.max(1, Math.ceil(batch.dueIn(performance.now()))),
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
    const { commits } = this;
    const { partition, batch } = gathering;
    this.handling = this.handling.then(async () => {
      // Without the commit of the batches before no further one: a member that the group has thrown out repeats
      // these, not more.
      await commits.settle(() => this.isOver || this.isDraining || this.until.aborted);
      gathering.turn = undefined;
      // Over: it comes again. Or empty, where a stop has it handed over.
      if (this.isOver || batch.isEmpty) return;
      clearTimeout(gathering.timer);
      gathering.timer = undefined;
      if (commits.uncommitted > 0 && !this.isDraining) return;
      const ending = this.ending(gathering);
      this.held -= batch.bytes;
      gathering.isHeavy = false;
      const messages = batch.take();
      const { next } = gathering;
      await this.handle(messages, ending);
      commits.handled(partition, next, messages.length);
      // Not waited for: while it is under way, the next batch gathers.
      void commits.commit();
      // Its request goes out now, not once a thousand further messages are read.
      await setImmediate();
    });
    return this.handling;
  }

  private ending({ batch, isHeavy }: Gathering): string {
    if (batch.isFull) return 'full';
    if (isHeavy) return `full at ${MOST_BYTES / 1e6} MB`;
    const now = performance.now();
    return batch.dueIn(now) <= 0 ? `waited ${Math.round(batch.waited(now))} ms` : 'stopping';
  }
}

/** What the message takes in memory: its text is either one byte a character, or two. */
function bytesOf({ text }: Message, { value }: KafkaRecord): number {
  return MESSAGE_BYTES + (text.length === value?.length ? text.length : 2 * text.length);
}

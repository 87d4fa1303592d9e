/**
 * A member of a consumer group that loses nothing: where it starts, what it commits, how it leaves, and how it
 * comes back. What it does with the records is up to a worker (workers.ts).
 */
import type { Admin, Consumer, EachBatchPayload } from 'kafkajs';
import type { BatchConfig, ConsumerConfig } from './config';
import { BrokerWatch, createAdmin, createKafka, ensureTopic, hopeless } from './kafka';
import { Progress } from './progress';
import { print, sleep, stopped, unlessStopped } from './service';
import { type BatchHandler, InBatches, type MessageHandler, OneByOne, type Worker } from './workers';

/** kafkajs tries again for good: only so does a member keep its place in the group over an outage. */
const RETRIES = Number.MAX_SAFE_INTEGER;
/** A fetch waits at most this long for messages, and so does a stop for the fetch under way. In ms. */
const MAX_WAIT_MS = 500;
/**
 * The most that one fetch brings, of all partitions together, in bytes. Decoded, small messages take ten times the
 * memory that they take on the wire: kafkajs's own 10 MB would not fit in the 128 MB of our containers.
 */
const MAX_BYTES = 1_048_576;
/** Heartbeats, and with them the news of a rebalance, come at this interval. In ms. */
const HEARTBEAT_MS = 1000;
/** How long a stop tries to reach a broker that is away. In ms. */
const LAST_TRY_MS = 500;
/** How long a stop waits to have joined the group, which it then can leave. In ms. */
const JOIN_MS = 1500;
/** How long it waits for anything else, the handler aside: a join may wait for another member's handler. In ms. */
const GOODBYE_MS = 5000;

/**
 * Hands each message to the handler, one by one, in order within each partition, at least once.
 *
 * @param stopping ends it: the message in hand is handled and committed, and the group left.
 * @throws Error of one line for what trying again can't mend
 */
export function consume(
  config: ConsumerConfig,
  stopping: AbortSignal,
  handle: MessageHandler,
): Promise<void> {
  const progress = new Progress();
  const { guarded, failure } = guard(handle);
  return new Member(config, stopping, progress, new OneByOne(progress, guarded), failure).run();
}

/** As consume, but the handler gets batches: of one partition, in order, of BATCH_SIZE messages at the most. */
export function consumeInBatches(
  config: BatchConfig,
  stopping: AbortSignal,
  handle: BatchHandler,
): Promise<void> {
  const progress = new Progress();
  const { guarded, failure } = guard(handle);
  return new Member(config, stopping, progress, new InBatches(progress, config, guarded), failure).run();
}

class HandlerFailed extends Error {}

/**
 * A handler that fails ends the service. What it had in hand stays there: it is not committed, and nothing comes
 * after it; whoever is started next gets it again.
 */
function guard<A extends unknown[]>(handle: (...args: A) => Promise<void>) {
  let fail: (error: Error) => void = () => {};
  const failure = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failure.catch(() => undefined);
  const guarded = async (...args: A): Promise<void> => {
    try {
      await handle(...args);
    } catch (error) {
      fail(new HandlerFailed(`The handler failed: ${error}; what is not committed comes again`));
      await new Promise<never>(() => {});
    }
  };
  return { guarded, failure };
}

class Member {
  private readonly watch: BrokerWatch;
  private readonly kafka;
  private readonly admin: Admin;
  /** Aborted once the service is to stop and the broker is away: kafkajs would try on and on. */
  private readonly givingUp = new AbortController();
  /** The end of each partition when this process came: what `latest` means for as long as it lives. */
  private ends: Map<number, number> | undefined;
  /** Where this process made the group start, by partition. */
  private readonly starts = new Map<number, number>();
  private readonly announced = new Set<number>();
  private assigned: number[] | undefined;
  private awaitingTopic = false;
  /** The first join of a consumer, under way or done. */
  private joining: Promise<unknown> = Promise.resolve();
  /** The records under way from kafkajs to the worker. */
  private taking: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly config: ConsumerConfig,
    private readonly stopping: AbortSignal,
    private readonly progress: Progress,
    private readonly worker: Worker,
    private readonly failure: Promise<never>,
  ) {
    this.watch = new BrokerWatch(stopping);
    this.kafka = createKafka(config, this.watch, RETRIES);
    this.admin = createAdmin(config, this.watch);
    void this.giveUpInTime();
  }

  /** One life in the group after the other: when kafkajs gives a consumer up, a new one takes its place. */
  async run(): Promise<void> {
    let consumer: Consumer;
    for (;;) {
      consumer = this.createConsumer();
      try {
        await Promise.race([unlessStopped(this.stopping, this.join(consumer)), this.failure]);
        break;
      } catch (error) {
        if (error instanceof HandlerFailed) throw error;
        const line = hopeless(error);
        if (line) throw new Error(line);
        this.rebalanced();
        await Promise.race([consumer.disconnect().catch(() => undefined), sleep(LAST_TRY_MS)]);
        await sleep(HEARTBEAT_MS, this.stopping);
        if (this.stopping.aborted) break;
      }
    }
    await Promise.race([this.leave(consumer), this.failure]);
  }

  private createConsumer(): Consumer {
    const { groupId } = this.config;
    const consumer = this.kafka.consumer({
      groupId,
      sessionTimeout: 10_000,
      rebalanceTimeout: 60_000,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: MAX_WAIT_MS,
      maxBytes: MAX_BYTES,
      allowAutoTopicCreation: false,
      retry: { retries: RETRIES, restartOnFailure: async () => false },
    });
    this.watch.onTopicMissing = () => void this.awaitTopic(consumer);
    consumer.on(consumer.events.REQUEST, () => this.watch.found());
    consumer.on(consumer.events.REQUEST_TIMEOUT, () => this.watch.lost('no answer within 10 s'));
    consumer.on(consumer.events.REBALANCING, () => this.rebalanced());
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      this.rebalanced();
      this.assign(consumer, payload.memberAssignment[this.config.topic] ?? []);
    });
    return consumer;
  }

  /** Joins the group and consumes. Ends only with an error: when kafkajs gives up. */
  private async join(consumer: Consumer): Promise<void> {
    const crash = new Promise<never>((_, reject) =>
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error)),
    );
    crash.catch(() => undefined);
    await ensureTopic(this.config, this.watch);
    await this.admin.connect();
    if (this.stopping.aborted) return;
    this.ends ??= new Map(
      (await this.topicOffsets()).map(({ partition, high }) => [partition, Number(high)]),
    );
    await consumer.connect();
    // The start is ours to choose (see begin). kafkajs itself chooses only once the messages that a group has
    // yet to read are gone from the topic, and then the oldest one left is next: nothing else is skipped.
    await consumer.subscribe({ topic: this.config.topic, fromBeginning: true });
    if (this.stopping.aborted) return;
    this.joining = consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => {
        const taken = this.take(consumer, payload);
        this.taking = taken.catch(() => undefined);
        return taken;
      },
    });
    await this.joining;
    await crash;
  }

  /** Everything taken and not committed comes again, to this member or to another. */
  private rebalanced(): void {
    this.progress.forget();
    this.worker.drop();
  }

  private assign(consumer: Consumer, partitions: number[]): void {
    if (partitions.length === 0 && this.assigned?.length !== 0) print('No partitions assigned');
    this.assigned = partitions;
    // kafkajs asks for the offsets to start at only after this event, and each time anew: a group with nothing
    // committed would skip what came in between. So nothing is fetched until the start is known and committed.
    this.hold(consumer);
    void this.begin(consumer, partitions);
  }

  private hold(consumer: Consumer): void {
    try {
      consumer.pause([{ topic: this.config.topic, partitions: this.assigned ?? [] }]);
    } catch {
      // Not in the group yet, or no more: nothing is fetched anyway.
    }
  }

  /**
   * Has every partition begin at the group's committed offset. Where it has none, the start is committed first,
   * and announced after that: so it holds for every later rebalance, and for whichever member comes next.
   */
  private async begin(consumer: Consumer, partitions: number[]): Promise<void> {
    const { epoch } = this.progress;
    const { topic } = this.config;
    while (epoch === this.progress.epoch && !this.stopping.aborted) {
      try {
        const committed = await this.committedOffsets();
        const missing = partitions.filter((partition) => !committed.has(partition));
        if (epoch !== this.progress.epoch) return;
        if (missing.length > 0) {
          await this.commitStart(consumer, missing);
          continue;
        }
        for (const partition of partitions) {
          const offset = committed.get(partition) as number;
          consumer.seek({ topic, partition, offset: String(offset) });
          this.announce(partition, offset);
        }
        consumer.resume([{ topic, partitions }]);
        return;
      } catch {
        // The broker is away, or the group is rebalancing: then this epoch ends with the next join.
        await sleep(200, this.stopping);
      }
    }
  }

  private async committedOffsets(): Promise<Map<number, number>> {
    const { groupId, topic } = this.config;
    const [committed] = await this.admin.fetchOffsets({ groupId, topics: [topic] });
    return new Map(
      (committed?.partitions ?? [])
        .map(({ partition, offset }): [number, number] => [partition, Number(offset)])
        .filter(([, offset]) => offset >= 0),
    );
  }

  private async commitStart(consumer: Consumer, partitions: number[]): Promise<void> {
    const { topic, autoOffsetReset } = this.config;
    const { epoch } = this.progress;
    const offsets = (await this.topicOffsets()).filter(({ partition }) => partitions.includes(partition));
    if (epoch !== this.progress.epoch) return;
    const starts = offsets.map(({ partition, low }) => {
      // We have been at this partition, and our commits are gone: so is the topic that they were for.
      if (this.announced.delete(partition)) this.ends?.delete(partition);
      // A partition that was not there when this process came has only messages that are newer than it.
      const end = autoOffsetReset === 'latest' ? this.ends?.get(partition) : undefined;
      const offset = Math.max(Number(low), end ?? 0);
      this.starts.set(partition, offset);
      return { topic, partition, offset: String(offset) };
    });
    await consumer.commitOffsets(starts);
  }

  private announce(partition: number, offset: number): void {
    if (this.announced.has(partition)) return;
    this.announced.add(partition);
    const { autoOffsetReset, groupId } = this.config;
    if (this.starts.get(partition) === offset)
      print(`Starting at offset ${offset} (${autoOffsetReset}, partition ${partition})`);
    else print(`Resuming at offset ${offset} (committed by group ${groupId}, partition ${partition})`);
  }

  private async take(consumer: Consumer, payload: EachBatchPayload) {
    const { batch, resolveOffset, heartbeat, commitOffsetsIfNecessary, isStale } = payload;
    const { topic, partition, messages } = batch;
    const { epoch } = this.progress;
    // One fetch brings records of several partitions, which come here one after the other: these may have been
    // fetched before a rebalance, and begin elsewhere than where the partition now does.
    const isHeld = consumer.paused().some(({ partitions }) => partitions.includes(partition));
    if (this.stopping.aborted || isHeld || isStale()) return;
    // This payload's commit throws the broker's own error, once. Consumer#commitOffsets hides that error in
    // another, which would end the consumer at its first rebalance.
    this.progress.commitBy(async (offsets) => {
      const partitions = [...offsets].map(([p, next]) => ({ partition: p, offset: String(next) }));
      const { signal } = this.givingUp;
      await unlessStopped(signal, commitOffsetsIfNecessary({ topics: [{ topic, partitions }] }));
      if (signal.aborted) throw new Error('The broker is away');
    });
    // However long the handler takes, the member stays alive, and hears of a rebalance.
    let trouble: unknown;
    const heart = setInterval(() => {
      heartbeat().catch((error) => {
        trouble = error;
      });
    }, HEARTBEAT_MS);
    try {
      const interrupted = () =>
        trouble !== undefined || this.stopping.aborted || epoch !== this.progress.epoch;
      const next = await this.worker.take(partition, messages, interrupted);
      if (epoch !== this.progress.epoch) return;
      if (next !== undefined) resolveOffset(String(next - 1));
    } finally {
      clearInterval(heart);
    }
    if (trouble !== undefined && !this.stopping.aborted) {
      await this.progress.commit();
      // To kafkajs, which joins again.
      throw trouble;
    }
  }

  /** Handles what is in hand, commits, leaves the group, deletes it if it was for this run only. */
  private async leave(consumer: Consumer): Promise<void> {
    const { groupId, groupIsTemporary } = this.config;
    this.hold(consumer);
    await this.taking;
    await this.worker.finish();
    await this.lastTry(this.progress.commit());
    if (this.progress.uncommitted > 0)
      print(`Stopped with ${this.progress.uncommitted} handled messages not committed: they come again`);
    // Who leaves before it has joined leaves nothing, and is a member afterwards.
    await this.lastTry(this.joining, JOIN_MS);
    await this.lastTry(consumer.disconnect());
    if (groupIsTemporary && this.assigned) await this.lastTry(this.admin.deleteGroups([groupId]));
    await this.lastTry(this.admin.disconnect());
  }

  /** Waits for the promise, which may fail; for at most so many ms, and with the broker away only for a moment. */
  private async lastTry(promise: Promise<unknown>, ms = GOODBYE_MS): Promise<void> {
    const settled = promise.catch(() => undefined);
    await unlessStopped(this.givingUp.signal, Promise.race([settled, sleep(ms)]));
  }

  private async giveUpInTime(): Promise<void> {
    await stopped(this.stopping);
    do await sleep(LAST_TRY_MS);
    while (!this.watch.isLost);
    this.givingUp.abort();
  }

  private topicOffsets() {
    return this.admin.fetchTopicOffsets(this.config.topic);
  }

  /**
   * The broker does not know the topic: it was deleted under us, or the broker has only just started. Fetches no
   * more until the topic is there, and then begins where the group stands: with a topic made anew, at its start.
   */
  private async awaitTopic(consumer: Consumer): Promise<void> {
    if (this.awaitingTopic || this.assigned === undefined) return;
    this.awaitingTopic = true;
    this.rebalanced();
    this.hold(consumer);
    while (!this.stopping.aborted) {
      try {
        await ensureTopic(this.config, this.watch);
        break;
      } catch {
        // The broker takes its time to delete a topic, and refuses to make it anew until then.
        await sleep(200, this.stopping);
      }
    }
    this.awaitingTopic = false;
    // Anew: the group may have been joined again meanwhile, and begun where the old topic stood.
    this.rebalanced();
    this.hold(consumer);
    await this.begin(consumer, this.assigned);
  }
}

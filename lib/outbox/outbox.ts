/** The way of a message from the tick to the broker's acknowledgement: once and in order, over an outage too. */
import { Cluster } from '../client/cluster';
import {
  check,
  isUnanswered,
  type KafkaError,
  kindOf,
  lastLine,
  refusal,
  UNKNOWN_TOPIC_OR_PARTITION,
} from '../client/errors';
import { Topic } from '../client/topic';
import { describeRefused } from '../message/message';
import { print, sleep, unlessStopped } from '../process/service';
import type { ProducerConfig } from '../settings/settings';
import { Trouble } from '../trouble/trouble';

/** The most messages of one request. */
const REQUEST_SIZE = 500;
/** How long the broker may wait for the other brokers to have the messages, in ms. */
const REPLICATED_MS = 30_000;
/** All that are to have a copy have one, before the broker acknowledges. */
const ACKS_ALL = -1;
/** How long a stop waits for the last acknowledgements, in ms. */
const LAST_TRY_MS = 1500;
/** A buffer that skips a tick after such a lull, in ms, is full anew, and it is said anew. */
const LULL_MS = 5000;
/** Sequence numbers begin again after this one. */
const LAST_SEQUENCE = 2 ** 31 - 1;
/** The leader has the messages, and the other brokers have not: nor has it acknowledged them. */
const APPENDED = ['REQUEST_TIMED_OUT', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND'];

interface Waiting {
  value: string;
  partition: number;
  timestamp: number;
}

/** @param onSent called for each message, in the order of each partition, once the broker has acknowledged it */
export type OnSent = (value: string, partition: number, offset: number) => void;

/** Messages in the order of their ticks, on their way to the topic. */
export class Outbox {
  private readonly trouble: Trouble;
  private readonly cluster: Cluster;
  private readonly topic: Topic;
  /** By this id, and a sequence number for each partition, the broker knows what comes again. */
  private producer: ProducerAnswer | undefined;
  private readonly sequences = new Map<number, number>();
  private turn = 0;
  private waiting: Waiting[] = [];
  /** When a tick was skipped last, for want of room. By performance.now(). */
  private skippedAt = Number.NEGATIVE_INFINITY;
  private sending: Promise<void> | undefined;

  constructor(
    private readonly config: ProducerConfig,
    private readonly stopping: AbortSignal,
    private readonly onSent: OnSent,
  ) {
    this.trouble = new Trouble(config.brokers, stopping);
    this.cluster = new Cluster(config, this.trouble.hear);
    this.topic = new Topic(this.cluster, config);
  }

  /** Waits for the broker, and for the topic. Returns early when the service is stopped. */
  async open(): Promise<void> {
    while (!this.stopping.aborted) {
      try {
        await unlessStopped(this.stopping, this.connect());
        return;
      } catch (error) {
        await this.pause(error);
      }
    }
  }

  /** Takes a message: its partition and its time are settled here, once, whatever happens on the way. */
  post(value: string, time: Date): void {
    if (this.waiting.length >= this.config.bufferSize) {
      const now = performance.now();
      if (now - this.skippedAt > LULL_MS)
        print(
          `Buffer full: ${this.waiting.length} messages wait for the broker (BUFFER_SIZE); skipping ticks until it takes some`,
        );
      this.skippedAt = now;
      return;
    }
    this.waiting.push({
      value,
      partition: this.turn % Math.max(this.topic.size, 1),
      timestamp: time.getTime(),
    });
    this.turn++;
    this.sending ??= this.sendAll().finally(() => {
      this.sending = undefined;
    });
  }

  /** Waits for the last acknowledgements, unless the broker is away. */
  async close(): Promise<void> {
    if (!this.trouble.isStanding) await Promise.race([this.sending, sleep(LAST_TRY_MS)]);
    if (this.waiting.length > 0) {
      const { length } = this.waiting;
      // What is under way may be written all the same: nobody is left to hear of it.
      const reason =
        this.trouble.reason ?? `not acknowledged within ${LAST_TRY_MS / 1000} s, and may be there`;
      print(`Stopped with ${length} message${length === 1 ? '' : 's'} not sent: ${reason}`);
    }
    this.cluster.close();
  }

  private async connect(): Promise<void> {
    const isNew = await this.topic.ensure();
    if (isNew && this.producer) print(`Topic ${this.config.topic} made anew: somebody has deleted it`);
    await this.identify();
  }

  private async identify(): Promise<ProducerAnswer> {
    this.producer ??= await this.cluster.askAny<ProducerAnswer>(
      'InitProducerId',
      { transactionalId: null },
      ({ errorCode }) => check(errorCode),
    );
    return this.producer;
  }

  /** From the next request on it is another producer. */
  private forget(): void {
    this.producer = undefined;
    this.sequences.clear();
  }

  private async sendAll(): Promise<void> {
    while (this.waiting.length > 0) {
      const { partition } = this.waiting[0] as Waiting;
      const messages = this.waiting.filter((one) => one.partition === partition).slice(0, REQUEST_SIZE);
      await this.deliver(messages);
    }
  }

  /**
   * Sends the same list, again and again: its sequence numbers tell the broker what it has already.
   *
   * @param mayBeThere they were sent before, and what became of that is not known
   */
  private async deliver(messages: Waiting[], mayBeThere = false): Promise<void> {
    let first: number | undefined;
    while (first === undefined)
      try {
        first = await this.send(messages);
      } catch (error) {
        const refused = refusal(error);
        if (refused) return await this.deliverOthers(messages, refused, mayBeThere);
        mayBeThere ||= isUnanswered(error) || APPENDED.includes((error as KafkaError).type ?? '');
        await this.recover(error, messages);
      }
    this.done(messages);
    for (const [index, { value, partition }] of messages.entries())
      this.onSent(value, partition, first + index);
  }

  /** The broker refuses one of the messages, or some, and with them their request: finds out which. */
  private async deliverOthers(messages: Waiting[], refused: string, mayBeThere: boolean): Promise<void> {
    if (messages.length > 1) {
      const half = Math.ceil(messages.length / 2);
      await this.deliver(messages.slice(0, half), mayBeThere);
      await this.deliver(messages.slice(half), mayBeThere);
      return;
    }
    this.done(messages);
    const reason = mayBeThere ? `${refused}; sent before, it may be there` : refused;
    for (const { value, partition } of messages) print(describeRefused(value, partition, reason));
    // If it is, its number is taken: the broker would take the next message for this one, and not write it.
    if (mayBeThere) this.forget();
  }

  private done(messages: Waiting[]): void {
    const done = new Set(messages);
    this.waiting = this.waiting.filter((one) => !done.has(one));
  }

  /** Gives the offset of the first of the messages. */
  private async send(messages: Waiting[]): Promise<number> {
    const { partition } = messages[0] as Waiting;
    const { producerId, producerEpoch } = await this.identify();
    await this.topic.refreshIfOld();
    if (!this.topic.has(partition)) check(UNKNOWN_TOPIC_OR_PARTITION);
    const firstSequence = this.sequences.get(partition) ?? 0;
    const answer = await this.cluster.ask<ProduceAnswer>(this.topic.leader(partition), 'Produce', {
      acks: ACKS_ALL,
      timeout: REPLICATED_MS,
      producerId,
      producerEpoch,
      topicData: [{ topic: this.config.topic, partitions: [{ partition, firstSequence, messages }] }],
    });
    this.sequences.set(partition, (firstSequence + messages.length) % (LAST_SEQUENCE + 1));
    return Number(answer.topics[0]?.partitions[0]?.baseOffset);
  }

  private async recover(error: unknown, messages: Waiting[]): Promise<void> {
    const { type } = error as KafkaError;
    if (kindOf(error) === 'producer') {
      print(`New producer id (${type}): up to ${messages.length} messages may repeat`);
      this.forget();
    }
    await this.pause(error);
    try {
      await this.connect();
    } catch (failure) {
      await this.pause(failure);
      return;
    }
    // The topic was deleted and made anew, with fewer partitions: what was meant for the others goes to these. Not on
    // the word of a broker that has yet to hear of partitions that were added: what it was sent may be there.
    if (type !== 'UNKNOWN_TOPIC_OR_PARTITION') return;
    const size = Math.max(this.topic.size, 1);
    // If they are there all the same, their numbers are taken: those that come next would pass for them.
    if (messages.some(({ partition }) => partition >= size)) this.forget();
    for (const message of this.waiting) message.partition %= size;
  }

  /** Before what has failed is tried again. @throws Error of one line where trying again can't mend it */
  private async pause(error: unknown): Promise<void> {
    if (this.trouble.isHopeless(error)) throw new Error(lastLine(error));
    await sleep(this.trouble.retryMs);
  }
}

interface ProducerAnswer {
  errorCode: number;
  producerId: string;
  producerEpoch: number;
}

interface ProduceAnswer {
  topics: { partitions: { baseOffset: string }[] }[];
}

/** The way of a message from the tick to the broker's acknowledgement: once and in order, over an outage too. */
import type { Kafka, Producer } from 'kafkajs';
import { createKafka, METADATA_AGE_MS } from '../client/client';
import { ensureTopic } from '../client/topic';
import { describeRefused } from '../message/message';
import { print, sleep, unlessStopped } from '../process/service';
import type { ProducerConfig } from '../settings/settings';
import { hopeless, nameOf, refusal, rootCause } from '../trouble/errors';
import { Trouble } from '../trouble/trouble';

/** Attempts that kafkajs makes by itself; after these we look whether the topic is still there. */
const RETRIES = 5;
/** The most messages of one request. */
const REQUEST_SIZE = 500;
/** Before the next attempt, in ms. */
const RETRY_MS = 200;
/** How long a stop waits for the last acknowledgements, in ms. */
const LAST_TRY_MS = 1500;

/** After one of these the broker takes nothing more under the producer id at hand. */
const PRODUCER_ID_LOST = [
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'DUPLICATE_SEQUENCE_NUMBER',
];

/** kafkajs knows no such partition, and says nothing of it. */
const NOT_THERE = 'PARTITION_NOT_THERE';

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
  private readonly kafka: Kafka;
  private producer: Producer;
  private partitions = 1;
  private turn = 0;
  private waiting: Waiting[] = [];
  private isFull = false;
  private sending: Promise<void> | undefined;

  constructor(
    private readonly config: ProducerConfig,
    private readonly stopping: AbortSignal,
    private readonly onSent: OnSent,
  ) {
    this.trouble = new Trouble(config.brokers, stopping);
    this.kafka = createKafka(config, this.trouble, RETRIES);
    this.producer = this.createProducer();
  }

  /** Waits for the broker, and for the topic. Returns early when the service is stopped. */
  async open(): Promise<void> {
    while (!this.stopping.aborted) {
      try {
        await unlessStopped(this.stopping, this.connect());
        return;
      } catch (error) {
        const line = hopeless(error);
        if (line) throw new Error(line);
        await sleep(RETRY_MS, this.stopping);
      }
    }
  }

  /** Takes a message: its partition and its time are settled here, once, whatever happens on the way. */
  post(value: string, time: Date): void {
    if (this.waiting.length >= this.config.bufferSize) {
      if (!this.isFull)
        print(
          `Buffer full: ${this.waiting.length} messages wait for the broker (BUFFER_SIZE); skipping ticks until it takes some`,
        );
      this.isFull = true;
      return;
    }
    this.waiting.push({ value, partition: this.turn % this.partitions, timestamp: time.getTime() });
    this.turn++;
    this.sending ??= this.sendAll().finally(() => {
      this.sending = undefined;
    });
  }

  /** Waits for the last acknowledgements, unless the broker is away, and disconnects. */
  async close(): Promise<void> {
    const isStanding = this.trouble.isStanding;
    if (!isStanding) await Promise.race([this.sending, sleep(LAST_TRY_MS)]);
    if (this.waiting.length > 0) {
      const { length } = this.waiting;
      // What is under way may be written all the same: nobody is left to hear of it.
      const reason =
        this.trouble.reason ?? `not acknowledged within ${LAST_TRY_MS / 1000} s, and may be there`;
      print(`Stopped with ${length} message${length === 1 ? '' : 's'} not sent: ${reason}`);
    }
    await Promise.race([this.producer.disconnect(), sleep(isStanding ? 0 : LAST_TRY_MS)]);
  }

  private createProducer(): Producer {
    return this.kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      metadataMaxAge: METADATA_AGE_MS,
      // Settled when the message was made. A partitioner that is asked again at each attempt chooses anew, and
      // the broker takes the sequence number that comes again for a repeated message: acknowledged, and lost.
      createPartitioner:
        () =>
        ({ message, partitionMetadata }) => {
          this.partitions = partitionMetadata.length;
          return message.partition as number;
        },
    });
  }

  private async connect(): Promise<void> {
    this.partitions = await ensureTopic(this.config, this.trouble);
    await this.producer.connect();
  }

  private async sendAll(): Promise<void> {
    while (this.waiting.length > 0) {
      const { partition } = this.waiting[0] as Waiting;
      // Of one partition. Of several, kafkajs takes what one broker has acknowledged for sent, though its leader was
      // another meanwhile: not sent, or sent twice (https://github.com/tulios/kafkajs/issues/1303).
      const messages = this.waiting.filter((one) => one.partition === partition).slice(0, REQUEST_SIZE);
      await this.deliver(messages);
    }
  }

  /** Sends the same list, again and again: its sequence numbers tell the broker what it has already. */
  private async deliver(messages: Waiting[]): Promise<void> {
    for (;;) {
      try {
        const first = await this.send(messages);
        this.done(messages);
        for (const [index, { value, partition }] of messages.entries())
          this.onSent(value, partition, first + index);
        return;
      } catch (error) {
        const line = hopeless(error, this.trouble.hasWorked);
        if (line) throw new Error(line);
        const refused = refusal(error);
        if (refused) {
          await this.deliverOthers(messages, refused);
          return;
        }
        await this.recover(error, messages);
      }
    }
  }

  /** The broker refuses one of the messages, or some, and with them their request: finds out which. */
  private async deliverOthers(messages: Waiting[], refused: string): Promise<void> {
    if (messages.length > 1) {
      const half = Math.ceil(messages.length / 2);
      await this.deliver(messages.slice(0, half));
      await this.deliver(messages.slice(half));
      return;
    }
    this.done(messages);
    for (const { value, partition } of messages) print(describeRefused(value, partition, refused));
  }

  private done(messages: Waiting[]): void {
    const done = new Set(messages);
    this.waiting = this.waiting.filter((one) => !done.has(one));
    if (this.waiting.length === 0) this.isFull = false;
  }

  /** Gives the offset of the first of the messages. */
  private async send(messages: Waiting[]): Promise<number> {
    const acknowledged = await this.producer.send({
      topic: this.config.topic,
      acks: -1,
      messages: messages.map(({ value, partition, timestamp }) => ({
        value,
        partition,
        timestamp: String(timestamp),
      })),
    });
    const { baseOffset } = acknowledged.find(({ partition }) => partition === messages[0]?.partition) ?? {};
    if (baseOffset === undefined)
      throw Object.assign(new Error('kafkajs has not sent it'), { type: NOT_THERE });
    return Number(baseOffset);
  }

  private async recover(error: unknown, messages: Waiting[]): Promise<void> {
    const name = nameOf(rootCause(error));
    if (PRODUCER_ID_LOST.includes(name)) {
      print(`New producer id (${name}): up to ${messages.length} messages may repeat`);
      await this.producer.disconnect().catch(() => undefined);
      this.producer = this.createProducer();
    }
    await sleep(RETRY_MS);
    try {
      await this.connect();
    } catch {
      return;
    }
    // The topic was deleted and made anew, with fewer partitions: what was meant for the others goes to these. Not on
    // the word of a broker that has yet to hear of partitions that were added: what it was sent may be there.
    if (name === 'UNKNOWN_TOPIC_OR_PARTITION' || name === NOT_THERE)
      for (const message of this.waiting) message.partition %= Math.max(this.partitions, 1);
  }
}

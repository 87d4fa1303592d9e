/**
 * The way of a message from the tick to the broker's acknowledgement: once and in order, over an outage too.
 */
import type { Kafka, Producer, RecordMetadata } from 'kafkajs';
import type { ProducerConfig } from './config';
import { BrokerWatch, createKafka, ensureTopic, hopeless, type KafkaError, rootCause } from './kafka';
import { print, sleep, unlessStopped } from './service';

/** Attempts that kafkajs makes by itself; after these we look whether the topic is still there. */
const RETRIES = 5;
/** The most messages of one request. */
const REQUEST_SIZE = 500;
/** How long a stop waits for the last acknowledgements, in ms. */
const LAST_TRY_MS = 1500;

/** After one of these the broker takes nothing more under the producer id at hand. */
const PRODUCER_ID_LOST = [
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'DUPLICATE_SEQUENCE_NUMBER',
];

interface Waiting {
  value: string;
  partition: number;
  timestamp: number;
}

/** @param onSent called for each message, in the order of each partition, once the broker has acknowledged it */
export type OnSent = (value: string, partition: number, offset: number) => void;

/**
 * The moments at which to send: every `intervalMs` from now on, without drift. What comes late is made up for,
 * unless more than a second is missing (a laptop that slept): then the ticks go on from now.
 */
export async function* ticks(intervalMs: number, stopping: AbortSignal): AsyncGenerator<Date> {
  let next = Date.now();
  while (!stopping.aborted) {
    const now = Date.now();
    if (now - next > Math.max(1000, intervalMs) || next - now > intervalMs) next = now;
    if (next > now) await sleep(next - now, stopping);
    else {
      yield new Date(next);
      next += intervalMs;
    }
  }
}

/** Messages in the order of their ticks, on their way to the topic. */
export class Outbox {
  private readonly watch: BrokerWatch;
  private readonly kafka: Kafka;
  private producer: Producer;
  private partitions = 1;
  private turn = 0;
  private waiting: Waiting[] = [];
  private full = false;
  private sending: Promise<void> | undefined;

  constructor(
    private readonly config: ProducerConfig,
    private readonly stopping: AbortSignal,
    private readonly onSent: OnSent,
  ) {
    this.watch = new BrokerWatch(stopping);
    this.kafka = createKafka(config, this.watch, RETRIES);
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
        await sleep(200, this.stopping);
      }
    }
  }

  /** Takes a message: its partition and its time are settled here, once, whatever happens on the way. */
  post(value: string, time: Date): void {
    if (this.waiting.length >= this.config.bufferSize) {
      if (!this.full)
        print(
          `Buffer full: ${this.waiting.length} messages wait for the broker (BUFFER_SIZE); skipping ticks until it is back`,
        );
      this.full = true;
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
    if (!this.watch.isLost) await Promise.race([this.sending, sleep(LAST_TRY_MS)]);
    if (this.waiting.length > 0)
      print(`Stopped with ${this.waiting.length} messages not sent: the broker is away`);
    await Promise.race([this.producer.disconnect(), sleep(this.watch.isLost ? 0 : LAST_TRY_MS)]);
  }

  private createProducer(): Producer {
    const producer = this.kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      // Settled when the message was made. A partitioner that is asked again at each attempt chooses anew, and
      // the broker takes the sequence number that comes again for a repeated message: acknowledged, and lost.
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition as number,
    });
    producer.on(producer.events.REQUEST, () => this.watch.found());
    producer.on(producer.events.REQUEST_TIMEOUT, () => this.watch.lost('no answer within 10 s'));
    return producer;
  }

  private async connect(): Promise<void> {
    this.partitions = await ensureTopic(this.config, this.watch);
    await this.producer.connect();
  }

  private async sendAll(): Promise<void> {
    while (this.waiting.length > 0) {
      const head = this.waiting.slice(0, REQUEST_SIZE);
      const acknowledged = await this.sendUntilAcknowledged(head);
      this.waiting.splice(0, head.length);
      this.full = false;
      const offsets = new Map(
        acknowledged.map(({ partition, baseOffset }) => [partition, Number(baseOffset)]),
      );
      for (const { value, partition } of head) {
        const offset = offsets.get(partition) as number;
        offsets.set(partition, offset + 1);
        this.onSent(value, partition, offset);
      }
    }
  }

  /** Sends the same list, again and again: its sequence numbers tell the broker what it has already. */
  private async sendUntilAcknowledged(messages: Waiting[]): Promise<RecordMetadata[]> {
    for (;;) {
      try {
        return await this.producer.send({
          topic: this.config.topic,
          acks: -1,
          messages: messages.map(({ value, partition, timestamp }) => ({
            value,
            partition,
            timestamp: String(timestamp),
          })),
        });
      } catch (error) {
        const line = hopeless(error);
        if (line) throw new Error(line);
        await this.recover(rootCause(error), messages.length);
      }
    }
  }

  private async recover(error: KafkaError, unsure: number): Promise<void> {
    if (PRODUCER_ID_LOST.includes(error.type ?? '')) {
      print(`New producer id (${error.type}): up to ${unsure} messages may repeat`);
      await this.producer.disconnect().catch(() => undefined);
      this.producer = this.createProducer();
    }
    await sleep(200);
    try {
      await this.connect();
    } catch {
      return;
    }
    // The topic was deleted and made anew, with fewer partitions: what was meant for the others goes to these.
    for (const message of this.waiting) message.partition %= this.partitions;
  }
}

import type { Batch } from 'kafkajs';
import { type FetchedRecord, FetchedRecords } from '../client/records';

/**
 * Mends how kafkajs decodes what a fetch brings. Called before kafkajs is loaded.
 * - Record batches without records leave it at the same offset for good, and it asks again and again
 *   (https://github.com/tulios/kafkajs/issues/562, https://github.com/tulios/kafkajs/issues/1072). Over those with
 *   control records or aborted ones only it goes without a word, so nobody commits what comes after them. Now every
 *   complete record batch reaches the handler, which learns the offset to go on at.
 * - Each record becomes a dozen objects before the first is handled: 150,000 small ones, in a record batch of under
 *   1 MB compressed, are more than a heap of 64 MB holds. Now they are read one by one, as they are handled.
 *
 * @throws where kafkajs's files do not hold what is replaced here
 */
export function mendRecords(): void {
  replace('kafkajs/src/protocol/requests/fetch/v4/decodeMessages', decodeMessages, 'decodeMessages');
  replace('kafkajs/src/consumer/batch', FetchedBatch, 'Batch');
}

function replace(path: string, replacement: unknown, name: string): void {
  if (require(path).name !== name) throw new Error(`${path} does not export ${name}: is this kafkajs 2.2.4?`);
  (require.cache[require.resolve(path)] as NodeJS.Module).exports = replacement;
}

/** Takes a partition's record batches out of the response as they are. */
async function decodeMessages(decoder: Decoder): Promise<Buffer> {
  const size = decoder.readInt32();
  if (size <= 0 || !decoder.canReadBytes(size)) return Buffer.alloc(0);
  const set = decoder.slice(size);
  decoder.forward(size);
  return set.buffer;
}

/** FetchedRecords in the place of kafkajs's Batch. */
export class FetchedBatch implements Batch {
  readonly partition: number;
  readonly highWatermark: string;
  readonly next: number;
  /** To kafkajs there are none: what is done, and how far it is, is up to the handler. */
  readonly messages = [];
  private readonly fetched: FetchedRecords;

  constructor(
    readonly topic: string,
    readonly fetchedOffset: string,
    { partition, highWatermark, abortedTransactions, messages }: PartitionData,
  ) {
    const aborted = (abortedTransactions ?? []).map(({ producerId, firstOffset }) => ({
      producerId: Number(producerId),
      firstOffset: Number(firstOffset),
    }));
    this.partition = partition;
    this.highWatermark = highWatermark;
    try {
      this.fetched = new FetchedRecords(topic, Number(fetchedOffset), {
        partition,
        records: messages,
        aborted,
      });
    } catch (error) {
      throw forGood(error);
    }
    this.next = this.fetched.next;
  }

  *records(): Generator<FetchedRecord, void, undefined> {
    try {
      yield* this.fetched.records();
    } catch (error) {
      throw forGood(error);
    }
  }

  isEmpty(): boolean {
    return this.fetched.isEmpty;
  }

  /** Of such a batch kafkajs would not tell the handler. */
  isEmptyDueToFiltering(): boolean {
    return false;
  }

  firstOffset(): string {
    return this.fetchedOffset;
  }

  lastOffset(): string {
    return String(this.next - 1);
  }

  offsetLag(): string {
    return String(Number(this.highWatermark) - this.next);
  }

  offsetLagLow(): string {
    return String(Number(this.highWatermark) - 1 - Number(this.fetchedOffset));
  }
}

/** kafkajs does not try again what says so. */
function forGood(error: unknown): unknown {
  return Object.assign(error as Error, { retriable: false });
}

interface Decoder {
  buffer: Buffer;
  readInt32(): number;
  canReadBytes(size: number): boolean;
  slice(size: number): Decoder;
  forward(size: number): void;
}

interface PartitionData {
  partition: number;
  highWatermark: string;
  abortedTransactions?: { producerId: string; firstOffset: string }[];
  messages: Buffer;
}

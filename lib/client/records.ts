import { type RecordBatch, readRecordBatch, SHORTEST } from './record_batch';
import { type FetchedRecord, RecordReader } from './record_reader';

export type { FetchedRecord };

/** An aborted transaction. */
interface Aborted {
  producerId: number;
  firstOffset: number;
}

/** The key of the control record that ends an aborted transaction. */
const ABORT_MARKER = Buffer.from([0, 0, 0, 0]);

/** What one fetch has brought of a partition. */
export class FetchedRecords {
  readonly partition: number;
  /** The offset to go on at: the one after the last complete record batch, whatever that holds. */
  readonly next: number;
  /** Record batches, one after the other. */
  private readonly set: Buffer;
  /** The complete ones. */
  private readonly batches: RecordBatch[] = [];
  private readonly aborted: Aborted[];

  /**
   * @param offset that was fetched
   * @param data.records record batches as they are in the answer to a fetch; the last one may be cut off
   * @param data.aborted the aborted transactions that reach into these, in any order
   * @throws UnreadableRecords where the first record batch is not as it was written, or of a kind that is not read; where
   * it is a later one, this ends before it, and the next fetch throws
   */
  constructor(
    readonly offset: number,
    { partition, records, aborted }: { partition: number; records: Buffer; aborted: Aborted[] },
  ) {
    this.partition = partition;
    this.set = records;
    this.aborted = aborted;
    for (let at = 0; records.length - at >= SHORTEST; ) {
      const batch = this.readBatch(at);
      if (!batch) break;
      this.batches.push(batch);
      at = batch.end;
    }
    this.next = Math.max((this.batches.at(-1)?.lastOffset ?? -1) + 1, offset);
  }

  /** Whether the next fetch would begin where this one did. */
  get isEmpty(): boolean {
    return this.next === this.offset;
  }

  /**
   * Reads the records from the fetched offset on, as they are asked for: without control records, and without those of
   * aborted transactions.
   *
   * @throws UnreadableRecords at the first record that makes no sense, or is too large
   */
  *records(): Generator<FetchedRecord, void, undefined> {
    // The broker sends them by their ends.
    const aborted = [...this.aborted].sort((a, b) => b.firstOffset - a.firstOffset);
    const aborting = new Set<number>();
    for (const batch of this.batches) {
      const { lastOffset, producerId, isTransactional, isControl, count } = batch;
      for (let next = aborted.at(-1); next && next.firstOffset <= lastOffset; next = aborted.at(-1)) {
        aborting.add(next.producerId);
        aborted.pop();
      }
      const isPassedOver = (isTransactional && aborting.has(producerId)) || lastOffset < this.offset;
      if (isPassedOver && !isControl) continue;
      const reader = new RecordReader(this.partition, batch, this.set);
      try {
        if (isControl) {
          if (count > 0 && reader.read().key?.equals(ABORT_MARKER)) aborting.delete(producerId);
          continue;
        }
        for (let left = count; left > 0; left--) {
          const record = reader.read();
          if (record.offset >= this.offset) yield record;
        }
      } finally {
        reader.close();
      }
    }
  }

  /** @returns undefined where the record batches end */
  private readBatch(at: number): RecordBatch | undefined {
    try {
      return readRecordBatch(this.partition, this.set, at);
    } catch (error) {
      // What comes before it is handled first: the next fetch begins here.
      if (this.batches.length > 0) return undefined;
      throw error;
    }
  }
}

import type { KafkaRecord } from '../message/message';
import type { Commits } from './commits';

/** What one fetch has brought of a partition. */
export interface Fetched {
  records: Iterable<KafkaRecord>;
  /** The offset after these: beyond the last record's where markers of transactions, or compacted ones, follow it. */
  end: number;
}

/**
 * What a consumer does with the records that it is given, in one generation of the group: a partition's records in
 * order, one call of the handler at a time. It reports as handled only what is.
 */
export interface Worker {
  /**
   * Takes what was fetched until there is no more, or nothing more is to be taken.
   *
   * @returns the offset to go on at
   */
  take(partition: number, fetched: Fetched): Promise<number>;
  /** Handles what was taken. */
  drain(): Promise<void>;
  /**
   * The generation is over: what was taken and is not handled comes again, to whoever has the partition then. Waits for
   * the call of the handler that is under way.
   */
  drop(): Promise<void>;
}

/**
 * @param commits is told what is handled
 * @param until aborted when nothing more is to be taken
 */
export type MakeWorker = (commits: Commits, until: AbortSignal) => Worker;

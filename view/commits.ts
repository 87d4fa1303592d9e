/**
 * Every commit of every group, and every time that partitions were shared out, from the topic in which Kafka keeps them:
 * between two questions a group may commit more than once, and what it began with is seen only there.
 */

import type { Brokers } from './brokers';
import type { ClusterAnswer, ClusterReader, LogRecord } from './reader';

export const OFFSETS_TOPIC = '__consumer_offsets';

/** At most so many bytes at once, of all its partitions that a broker leads; what is further behind is passed over. */
const BYTES = 262_144;
const TOO_FAR_BEHIND = 20_000;
/** So many records of each partition are read that were there before: so what a group began with is known later, too. */
const HISTORY = 10_000;
const OFFSET_OUT_OF_RANGE = 1;
const NOT_AUTHORIZED = 29;

export interface Commit {
  group: string;
  topic: string;
  partition: number;
  /** Undefined where the group's offset was deleted. */
  offset: number | undefined;
  /** When Kafka wrote it down, in ms since 1970. */
  at: number;
}

/** A group's partitions were shared out among its members. */
export interface Sharing {
  group: string;
  at: number;
}

/** In the order in which Kafka wrote it down, of each group. */
export type Written = (Commit | Sharing) & {
  /** Whether all that Kafka still has of this group was read: then the first one is the first. */
  isWhole: boolean;
};

export class CommitTail {
  /** Not where a cluster with rules refuses it. */
  isReadable = true;
  private leaders = new Map<number, number>();
  /** By partition, the offset to be fetched next, and whether the first one was read. */
  private readonly positions = new Map<number, { next: number; isWhole: boolean }>();

  constructor(
    private readonly reader: ClusterReader,
    private readonly brokers: Brokers,
  ) {}

  /** Who leads its partitions; nobody where it is not there yet, or not for us to see. */
  lead(topics: ClusterAnswer['topics']): void {
    const { partitions = [], error } = topics.find(({ topic }) => topic === OFFSETS_TOPIC) ?? {};
    if (error === NOT_AUTHORIZED) this.isReadable = false;
    this.leaders = new Map(partitions.map(({ id, leader }) => [id, leader]));
  }

  /** What was written since the last call. */
  async read(): Promise<Written[]> {
    const answers = await this.brokers.ofEach(async (broker) => {
      const led = [...this.leaders].filter(([, leader]) => leader === broker).map(([partition]) => partition);
      return led.length === 0 ? [] : await this.readOf(broker, led);
    });
    return answers.flat();
  }

  private async readOf(broker: number, partitions: number[]): Promise<Written[]> {
    const unknown = partitions.filter((partition) => !this.positions.has(partition));
    if (unknown.length > 0)
      for (const [partition, { start, end }] of await this.reader.fetchEnds(broker, OFFSETS_TOPIC, unknown))
        this.positions.set(partition, {
          next: Math.max(start, end - HISTORY),
          isWhole: end - start <= HISTORY,
        });
    const asked = partitions.flatMap((partition) => {
      const position = this.positions.get(partition);
      return position === undefined ? [] : [{ partition, offset: position.next }];
    });
    if (asked.length === 0) return [];
    const maxBytes = Math.floor(BYTES / asked.length);
    const answers = await this.reader.fetch(broker, OFFSETS_TOPIC, asked, { maxWaitMs: 0, maxBytes });
    if (answers.length > 0) this.isReadable = answers.some(({ error }) => error !== NOT_AUTHORIZED);
    return answers.flatMap(({ partition, error, next, end, records }) => {
      const { isWhole = false } = this.positions.get(partition) ?? {};
      if (error === OFFSET_OUT_OF_RANGE) this.positions.set(partition, { next: end, isWhole: false });
      else if (next !== undefined && end - next > TOO_FAR_BEHIND)
        this.positions.set(partition, { next: end, isWhole: false });
      else if (next !== undefined) this.positions.set(partition, { next, isWhole });
      return records.flatMap((record) => {
        const written = writtenIn(record);
        return written ? [{ ...written, isWhole }] : [];
      });
    });
  }
}

/**
 * Of all versions of the records: of the key 0 and 1 are offsets, and the value begins with the offset; 2 is a group
 * whose members have got their partitions, and 8 one of Kafka 4's, of which a member has.
 */
export function writtenIn({
  key,
  value,
  timestamp: at,
}: Omit<LogRecord, 'bytes'>): Commit | Sharing | undefined {
  if (key === null || key.length < 2) return undefined;
  const kind = key.readInt16BE(0);
  try {
    const [group, afterGroup] = text(key, 2);
    if (kind === 2 || kind === 8) return value === null ? undefined : { group, at };
    if (kind > 2) return undefined;
    const [topic, afterTopic] = text(key, afterGroup);
    const partition = key.readInt32BE(afterTopic);
    const offset = value === null ? undefined : Number(value.readBigInt64BE(2));
    return { group, topic, partition, offset, at };
  } catch {
    // Of a later version than we know.
    return undefined;
  }
}

function text(buffer: Buffer, at: number): [string, number] {
  const end = at + 2 + buffer.readInt16BE(at);
  if (end > buffer.length) throw new RangeError('It is cut off');
  return [buffer.toString('utf8', at + 2, end), end];
}

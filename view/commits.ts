/**
 * Every commit of every group, from the topic in which Kafka keeps them: between two questions a group may commit more
 * than once, and what it began with is seen only there.
 */

import type { Brokers } from './brokers';
import type { ClusterAnswer, ClusterReader, LogRecord } from './reader';
import { OK } from './reader';

export const OFFSETS_TOPIC = '__consumer_offsets';

/** At most so many bytes at once, of all its partitions that a broker leads; what is further behind is passed over. */
const BYTES = 262_144;
const TOO_FAR_BEHIND = 5000;
const NOT_AUTHORIZED = 29;

export interface Commit {
  group: string;
  topic: string;
  partition: number;
  offset: number;
  /** When Kafka wrote it down, in ms since 1970. */
  at: number;
}

export class CommitTail {
  /** Not where a cluster with rules refuses it. */
  isReadable = true;
  private leaders = new Map<number, number>();
  /** The offset to be fetched next, by partition. */
  private readonly positions = new Map<number, number>();

  constructor(
    private readonly reader: ClusterReader,
    private readonly brokers: Brokers,
  ) {}

  /** Who leads its partitions; nobody where it is not there yet, or not for us to see. */
  lead(topics: ClusterAnswer['topics']): void {
    const { partitions = [], error } = topics.find(({ topic }) => topic === OFFSETS_TOPIC) ?? {};
    if (error === NOT_AUTHORIZED) this.isReadable = false;
    // What comes into being while we look is read from its first record on.
    const isNew = this.hasLooked && this.leaders.size === 0;
    this.leaders = new Map(partitions.map(({ id, leader }) => [id, leader]));
    if (isNew) for (const { id } of partitions) this.positions.set(id, 0);
    this.hasLooked = true;
  }

  private hasLooked = false;

  /** What was committed since the last call, in the order of each of its partitions. */
  async read(): Promise<Commit[]> {
    const answers = await this.brokers.ofEach(async (broker) => {
      const led = [...this.leaders].filter(([, leader]) => leader === broker).map(([partition]) => partition);
      return led.length === 0 ? [] : await this.readOf(broker, led);
    });
    return answers.flat();
  }

  private async readOf(broker: number, partitions: number[]): Promise<Commit[]> {
    const unknown = partitions.filter((partition) => !this.positions.has(partition));
    if (unknown.length > 0)
      for (const [partition, { end }] of await this.reader.fetchEnds(broker, OFFSETS_TOPIC, unknown))
        this.positions.set(partition, end);
    const asked = partitions.flatMap((partition) => {
      const offset = this.positions.get(partition);
      return offset === undefined ? [] : [{ partition, offset }];
    });
    if (asked.length === 0) return [];
    const maxBytes = Math.floor(BYTES / asked.length);
    const answers = await this.reader.fetch(broker, OFFSETS_TOPIC, asked, { maxWaitMs: 0, maxBytes });
    if (answers.length > 0) this.isReadable = answers.some(({ error }) => error !== NOT_AUTHORIZED);
    return answers.flatMap(({ partition, error, next, end, records }) => {
      if (error !== OK) this.positions.delete(partition);
      else if (next !== undefined) this.positions.set(partition, end - next > TOO_FAR_BEHIND ? end : next);
      return records.flatMap((record) => commitOf(record) ?? []);
    });
  }
}

/** Of the commits' records, in all versions: of the key 0 and 1 are offsets, and the value begins with the offset. */
export function commitOf({ key, value, timestamp }: LogRecord): Commit | undefined {
  if (key === null || value === null || key.length < 2 || value.length < 10) return undefined;
  if (key.readInt16BE(0) > 1) return undefined;
  try {
    const [group, afterGroup] = text(key, 2);
    const [topic, afterTopic] = text(key, afterGroup);
    return {
      group,
      topic,
      partition: key.readInt32BE(afterTopic),
      offset: Number(value.readBigInt64BE(2)),
      at: timestamp,
    };
  } catch {
    // Of a later version than we know.
    return undefined;
  }
}

function text(buffer: Buffer, at: number): [string, number] {
  const end = at + 2 + buffer.readInt16BE(at);
  return [buffer.toString('utf8', at + 2, end), end];
}

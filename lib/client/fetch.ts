import type { Cluster } from './cluster';
import { LARGEST, TooLarge } from './codecs/too_large';
import type { AskOptions } from './connection';
import { check, type KafkaError, named, OK } from './errors';
import { Decoder } from './kafkajs';
import { UnreadableRecords } from './unreadable';

/** What a fetch tells of one partition. */
export interface FetchedPartition {
  partition: number;
  errorCode: number;
  /** The offset of the next message. */
  end: number;
  /** The end of what may be read: before `end` while a transaction is open. -1 where the broker does not say. */
  stable: number;
  /** The first offset that is still there; -1 where the broker does not say. */
  start: number;
  aborted: { producerId: number; firstOffset: number }[];
  /** Record batches as they are in the log: the first one whole, the last one may be cut off. Empty where none is. */
  records: Buffer;
}

interface FetchAnswer {
  clientSideThrottleTime: number;
  errorCode: number;
  responses: { topicName: string; partitions: FetchedPartition[] }[];
}

const NOTHING = Buffer.alloc(0);
/** Messages of a transaction come, and count, once it is committed. */
export const READ_COMMITTED = 1;

export interface FetchBounds {
  /** The broker answers as soon as there is a message, or after so long. */
  maxWaitMs: number;
  /** The most that the answer brings, and of each partition; a record batch larger than that comes all the same, alone. */
  maxBytes: number;
  maxBytesOfEach: number;
}

/**
 * Fetches from the broker that leads these partitions.
 *
 * @param positions the offsets to begin at, by partition: what the first one has may fill the answer
 * @returns of each partition what came, or its own error code
 */
export async function fetch(
  cluster: Cluster,
  leader: number,
  topic: string,
  positions: Iterable<readonly [number, number]>,
  { maxWaitMs, maxBytes, maxBytesOfEach }: FetchBounds,
  options: AskOptions = {},
): Promise<FetchedPartition[]> {
  const partitions = [...positions].map(([partition, offset]) => ({
    partition,
    fetchOffset: String(offset),
    maxBytes: maxBytesOfEach,
  }));
  const answer = await cluster.ask<FetchAnswer>(
    leader,
    'Fetch',
    {
      replicaId: -1,
      isolationLevel: READ_COMMITTED,
      maxWaitTime: maxWaitMs,
      minBytes: 1,
      maxBytes,
      topics: [{ topic, partitions }],
    },
    { ...options, inParts: true },
  );
  check(answer.errorCode);
  return answer.responses.flatMap((one) => one.partitions);
}

/**
 * Reads the answer to a Fetch of that version, 4 to 11, and leaves the record batches as they are: kafkajs makes a dozen
 * objects of each record at once, before the first is handled.
 * See https://kafka.apache.org/protocol#The_Messages_Fetch.
 */
export function decodeFetch(version: number): (payload: Buffer) => Promise<FetchAnswer> {
  const number = (decoder: Decoder) => Number(decoder.readInt64());

  const readPartition = (decoder: Decoder): FetchedPartition => {
    const partition = decoder.readInt32();
    const errorCode = decoder.readInt16();
    const end = number(decoder);
    const stable = number(decoder);
    const start = version >= 5 ? number(decoder) : -1;
    const aborted = decoder.readArray((one) => ({ producerId: number(one), firstOffset: number(one) }));
    if (version >= 11) decoder.readInt32(); // The replica to read from, which we leave to the leader.
    const size = Math.max(decoder.readInt32(), 0);
    // An answer that is too large ends after its beginning.
    if (!decoder.canReadBytes(size)) {
      const { message } = new TooLarge(size, LARGEST);
      throw new UnreadableRecords('RECORD_TOO_LARGE', partition, number(decoder), message);
    }
    const bytes = decoder.slice(size).buffer;
    decoder.forward(size);
    const records = isWhole(bytes) ? bytes : NOTHING;
    return { partition, errorCode, end, stable, start, aborted, records };
  };

  return async (payload) => {
    const decoder = new Decoder(payload);
    const throttleMs = decoder.readInt32();
    const errorCode = version >= 7 ? decoder.readInt16() : 0;
    if (version >= 7) decoder.readInt32(); // The fetch session: we have none.
    const responses = decoder.readArray((topic) => ({
      topicName: topic.readString(),
      partitions: topic.readArray(readPartition),
    }));
    // Before version 8 the broker waits itself, and the client need not.
    return { clientSideThrottleTime: version >= 8 ? throttleMs : 0, errorCode, responses };
  };
}

/** Whether the record batch that they begin with is there to its end: by its offset (8 bytes) and its length (4). */
function isWhole(bytes: Buffer): boolean {
  return bytes.length >= 12 && bytes.length >= 12 + bytes.readInt32BE(8);
}

/**
 * Tells of each partition why it stands still: nothing comes of it from the offset on that was asked for, though its log
 * goes on, and of that no request fails; undefined where something has come, or it is at its end. Left out is what an
 * answer does not tell: others have filled it.
 *
 * @param positions that were asked for
 */
export function* findStandstills(
  answers: readonly FetchedPartition[],
  positions: ReadonlyMap<number, number>,
): Generator<[partition: number, KafkaError | undefined]> {
  const isBare = answers.every(({ records }) => records.length === 0);
  for (const { partition, errorCode, stable, end, records } of answers) {
    if (errorCode !== OK) continue;
    const offset = positions.get(partition) as number;
    const what = `offsets ${offset}-${end - 1} (partition ${partition})`;
    if (records.length > 0 || offset >= end) yield [partition, undefined];
    else if (offset >= stable) {
      const openTransaction = 'wait for a transaction that another producer has begun and not ended';
      yield [partition, named('OPEN_TRANSACTION', `${what} ${openTransaction}`)];
    } else if (isBare)
      yield [partition, named('NO_RECORDS', `${what}: the broker has them, it says, and gives none whole`)];
  }
}

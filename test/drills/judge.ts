/** What became of the messages: what the services printed, held against the topic as another client reads it. */
import { range, received, sent, skipped, starts } from '../../harness/log';

/** A record as Kafka's own console consumer prints it. */
export interface TopicRecord {
  partition: number;
  offset: number;
  /** In ms since 1970. */
  timestamp: number;
  value: string;
}

export interface Verdict {
  sent: number;
  lost: number;
  repeated: number;
  disordered: number;
}

/** What the consumers of one group printed: the lines of each member. */
export type Group = readonly (readonly string[])[];

const RECORD = /^CreateTime:(\d+)\tPartition:(\d+)\tOffset:(\d+)\t(.*)$/s;

/** Reads what `kafka-console-consumer` prints with timestamp, partition and offset. */
export function topicRecords(output: string): TopicRecord[] {
  return output.split('\n').flatMap((line) => {
    const match = RECORD.exec(line);
    if (!match) return [];
    const [, timestamp, partition, offset, value] = match;
    return [
      {
        timestamp: Number(timestamp),
        partition: Number(partition),
        offset: Number(offset),
        value: value as string,
      },
    ];
  });
}

/** The records that the lines of a group's members say were handled or skipped, each as `partition:offset`. */
export function handled(group: Group): string[][] {
  const holes = new Set(group.flatMap(skipped));
  return group.map((lines) =>
    lines.flatMap((line) => [
      ...skipped([line]),
      ...received([line]).flatMap(({ partition, first, last }) =>
        range(first, last + 1)
          .map((offset) => `${partition}:${offset}`)
          .filter((place) => !holes.has(place)),
      ),
    ]),
  );
}

/**
 * @param records all that is in the topic
 * @param producer the lines of the producer
 * @param foreign so many records were written by somebody else
 * @param unsure so many more may be there, for the producer says so
 */
export function judge(
  records: readonly TopicRecord[],
  producer: readonly string[],
  groups: readonly Group[],
  foreign = 0,
  unsure = 0,
): Verdict {
  const verdict = judgeProducer(records, producer, foreign, unsure);
  for (const group of groups) {
    const { lost, repeated, disordered } = judgeGroup(records, group);
    verdict.lost += lost;
    verdict.repeated += repeated;
    verdict.disordered += disordered;
  }
  return verdict;
}

/**
 * Where the ticks in the topic are not one interval apart, in ms. A producer that the machine has left standing for over
 * a second goes on from there, as it is to, which is hardly a whole number of intervals after the last tick (`stood`).
 * Whatever else is a tick that is not there, or is there twice (`wrong`).
 */
export function tickGaps(records: readonly TopicRecord[], intervalMs: number) {
  const times = records.map(({ timestamp }) => timestamp).sort((a, b) => a - b);
  const gaps = times.slice(1).map((time, index) => time - (times[index] as number));
  const hasStood = (gap: number) => gap > 1000 && gap % intervalMs !== 0;
  const odd = gaps.filter((gap) => gap !== intervalMs);
  return { stood: odd.filter(hasStood), wrong: odd.filter((gap) => !hasStood(gap)) };
}

/** How many messages the producer says may be there, though their acknowledgements had not come when it was stopped. */
export function unacknowledged(producer: readonly string[]): number {
  const ends = producer.map(
    (line) => /^Stopped with (\d+) messages? not sent: not acknowledged/.exec(line)?.[1],
  );
  return ends.reduce((sum, count) => sum + Number(count ?? 0), 0);
}

/** Every message that was said to be sent is in the topic once, where it was said to be, in the order of its ticks. */
function judgeProducer(
  records: readonly TopicRecord[],
  producer: readonly string[],
  foreign: number,
  unsure: number,
): Verdict {
  const values = new Map(records.map(({ partition, offset, value }) => [`${partition}:${offset}`, value]));
  const said = new Map(sent(producer).map((one) => [`${one.partition}:${one.offset}`, one.value]));
  const lost = [...said].filter(([place, value]) => values.get(place) !== value).length;
  const own = records.filter(({ partition, offset }) => said.has(`${partition}:${offset}`));
  const latest = new Map<number, number>();
  let disordered = 0;
  for (const { partition, timestamp } of own) {
    if (timestamp < (latest.get(partition) ?? 0)) disordered++;
    latest.set(partition, timestamp);
  }
  const more = records.length - own.length - foreign;
  return {
    sent: said.size + foreign,
    lost,
    repeated: more - Math.min(unsure, Math.max(0, more)),
    disordered,
  };
}

/** From the group's start on every record is handled, those that come first in order; what comes again is counted. */
function judgeGroup(records: readonly TopicRecord[], group: Group): Omit<Verdict, 'sent'> {
  const begin = new Map<number, number>();
  for (const { partition, offset } of group.flatMap(starts))
    begin.set(partition, Math.min(offset, begin.get(partition) ?? offset));
  const due = records.filter(({ partition, offset }) => offset >= (begin.get(partition) ?? 0));
  const members = handled(group);
  // Within a batch a value is skipped before the messages around it are shown: that is no disorder.
  const holes = new Set(group.flatMap(skipped));
  const seen = new Set<string>();
  let repeated = 0;
  let disordered = 0;
  for (const member of members) {
    const latest = new Map<string, number>();
    for (const place of member) {
      if (seen.has(place)) {
        repeated++;
        continue;
      }
      seen.add(place);
      if (holes.has(place)) continue;
      const [partition, offset] = place.split(':') as [string, string];
      if (Number(offset) < (latest.get(partition) ?? -1)) disordered++;
      latest.set(partition, Number(offset));
    }
  }
  // A batch that counts other messages than its offsets stand for has one twice, or lacks one.
  for (const { partition, first, last, messages } of received(group.flat()))
    if (range(first, last + 1).filter((offset) => !holes.has(`${partition}:${offset}`)).length !== messages)
      disordered++;
  const lost = due.filter(({ partition, offset }) => !seen.has(`${partition}:${offset}`)).length;
  return { lost, repeated, disordered };
}

/** Numbers, times and the words of the trade, as the page writes them. */

const two = (number: number) => String(number).padStart(2, '0');

/** The time of day, on this machine. */
export function clock(at: number): string {
  const time = new Date(at);
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

const thousands = new Intl.NumberFormat('en-US');

/** 12,345 */
export function count(number: number): string {
  return number < 1000 ? String(number) : thousands.format(number);
}

export function messages(number: number): string {
  return number === 1 ? '1 message' : `${count(number)} messages`;
}

/** "1.0", "83" */
export function rate(perSecond: number): string {
  return perSecond >= 10 ? count(Math.round(perSecond)) : perSecond.toFixed(1);
}

export const MEANINGS = {
  offset: 'The number of a message in its partition: 0, 1, 2 and so on. It never changes.',
  partition:
    'A topic is split into partitions. Each is a line of messages in order, and is read by one member of a group.',
  commit:
    'A group tells Kafka: all before this offset is handled. After a crash it goes on from there: what it has handled and not committed comes again.',
  lag: 'The messages between what a group has committed and the end of the log. Kafka does not know which of them were read: only what is committed.',
  group: 'Consumers that share the work. Each group reads all messages, and has offsets of its own.',
  member:
    'One consumer of a group. The partitions are shared out among the members. Of one that is killed Kafka waits some seconds for a sign of life, and then gives it up.',
  rebalance:
    'Members came or went, so they share the partitions anew. Until it is over, nobody in the group reads; with the protocol of Kafka 4, nobody reads those that move.',
  leader: 'The broker that writes and serves a partition. If it is lost, one that is in sync takes over.',
  'in sync': 'These brokers have a full copy of the partition: each could lead it without losing a message.',
  coordinator: 'The broker that keeps the offsets of a group, and knows its members.',
} as const;

export type Word = keyof typeof MEANINGS;

/** Numbers, times and the words of the trade, as the page writes them. */
import type { ComponentChildren } from 'preact';

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

const MEANINGS = {
  offset: 'The number of a message in its partition: 0, 1, 2 and so on. It never changes.',
  partition:
    'A topic is split into partitions. Each is a line of messages in order, and is read by one member of a group.',
  commit:
    'A group tells Kafka: all before this offset is handled. After a crash it goes on from there, so what was handled but not committed comes again.',
  lag: 'The messages between what a group has committed and the end of the log: what it has yet to read, or has not committed yet.',
  group: 'Consumers that share the work. Each group reads all messages, and has offsets of its own.',
  member: 'One consumer of a group. The partitions are dealt out among the members.',
  rebalance:
    'Members came or went, so the partitions are dealt out anew. Until it is over, nobody in the group reads.',
  leader:
    'The broker that writes and serves a partition. If it is lost, a broker that is in sync takes over.',
  'in sync': 'These brokers have a full copy of the partition: each could lead it without losing a message.',
  coordinator: 'The broker that keeps the offsets of a group, and knows its members.',
  controller: 'The broker that decides who leads which partition.',
} as const;

export type Word = keyof typeof MEANINGS;

/** A word of the trade, that explains itself on focus and on hover. */
export function Term({ word, children }: { word: Word; children?: ComponentChildren }) {
  return (
    <span class="term">
      <button type="button" class="term-word">
        {children ?? word}
        <span class="visually-hidden">: {MEANINGS[word]}</span>
      </button>
      <span class="term-meaning" aria-hidden="true">
        {MEANINGS[word]}
      </span>
    </span>
  );
}

/** A colour of its own for each group; those of the demo have the one that their lines have in the log. */
const IN_THE_LOG: Record<string, string> = {
  consumer_from_oldest: 'magenta',
  consumer_from_newest: 'blue',
  consumer_batch_message: 'cyan',
};
const OTHERS = ['orange', 'green', 'red', 'violet', 'olive', 'brown'];
const given = new Map<string, string>();

export function colourOf(name: string): string {
  const base = name.replace(/-[0-9a-f]{8}$/, '');
  const colour = IN_THE_LOG[base] ?? given.get(name) ?? (OTHERS[given.size % OTHERS.length] as string);
  if (!IN_THE_LOG[base]) given.set(name, colour);
  return `colour-${colour}`;
}

/**
 * What the server tells the page: the picture of a topic, and how it changes. The server and the page share this
 * file, so it imports nothing but types.
 */

import type { Change } from './change';

/** Plain data without null: a change (below) is told from it by `diff`, and put to it by `merge`. */
export interface Picture {
  topic: string;
  /** Since when there is no such topic, in ms since 1970; absent where there is one. */
  missing?: number;
  /** The last silence of Kafka. */
  silence?: Silence;
  /** By broker id. One that the cluster does not count in any more stays, marked. */
  brokers: Record<string, Broker>;
  /** By partition. */
  partitions: Record<string, Partition>;
  /** By group id: as Kafka has it, which may hold any character; `name` is for showing. */
  groups: Record<string, Group>;
}

export interface Silence {
  /** When Kafka gave its last answer before it, in ms since 1970. */
  since: number;
  /** Its first answer afterwards; absent while it lasts. */
  until?: number;
  /** Where Kafka, or the way to it, refuses us: why, and what to do. */
  refusal?: string;
}

export interface Broker {
  host: string;
  port: number;
  /** Since when the cluster does not count it in. */
  gone?: number;
  /** Since when it gives no answer, though the others count it in. */
  silent?: number;
  /** It is back: so long it was away, in ms. */
  wasAway?: number;
}

export interface Partition {
  /** The first offset that is still there. */
  start: number;
  /** The offset of the next message. */
  end: number;
  /** The end of what may be read, where it lies before `end`: a transaction is open. */
  stable?: number;
  /** -1 where there is none. */
  leader: number;
  replicas: number[];
  isr: number[];
}

export interface Group {
  name: string;
  /** As `GroupAnswer` has it. */
  state: string;
  coordinator: number;
  /** By member id. */
  members: Record<string, Member>;
  /** So many members have had a letter. */
  letters: number;
  /** Who reads each partition, or read it last: in a rebalance nobody does. */
  owners: Record<string, Owner>;
  /** Of members that are not there any more, by letter, the latest ones: how they went. */
  parted: Record<string, Parting>;
  /** By partition of the topic: only those that it has committed an offset of. */
  offsets: Record<string, Offset>;
  /** All that it has not committed, in messages. */
  lag: number;
  /** Its first commit is where it begins: so do the consumers of this demo. Others commit only what they have handled. */
  commitsItsBeginning?: boolean;
  /** How many times it was rebalanced since the view has known it, and since when it is now. */
  rebalances: number;
  rebalancing?: number;
  /** When its partitions were shared last, by the broker's clock. */
  shared?: number;
  /** Since when Kafka does not know it any more: it is shown for a while, fading. */
  gone?: number;
}

/**
 * Kafka does not tell which: one that leaves commits first, and one that is given up had not for long. Of one that had
 * nothing to commit we don't know.
 */
export type Parting = 'left' | 'given up' | 'gone';

export interface Member {
  /** A letter, in the order of appearance: members often share a client id. */
  letter: string;
  client: string;
  host: string;
  partitions: number[];
}

export interface Owner {
  /** The member's id and letter. */
  member: string;
  letter: string;
  /** The letter of who had it before, if somebody did. */
  from?: string;
  /** In ms since 1970. */
  since: number;
  /** The offset at which it goes on: what `from` handled after that comes again. */
  at?: number;
}

export interface Offset {
  /** The offset that it reads next, if it had to start anew. */
  committed: number;
  /** When that was committed, in ms since 1970; absent where that was before we looked. */
  at?: number;
  /** The distance to the end, in messages. */
  lag: number;
  /** The timestamp of the message at `committed`, in ms since 1970; absent where nothing is left or it has none. */
  oldest?: number;
  /** Its first commit; absent where it was made before we looked. */
  first?: First;
  /** How far the last commit moved it, in messages. */
  step?: number;
  /** It has gone back, from `to` to `from`: until it has passed `to`, what it reads comes again. */
  again?: { from: number; to: number };
}

export interface First {
  offset: number;
  /** The first offset of the log, then. */
  start: number;
  /** So many messages were there to be read then; absent where we don't know. */
  ahead?: number;
}

export interface Message {
  offset: number;
  /** In ms since 1970; -1 where it has none. */
  timestamp: number;
  /** Its beginning, control characters escaped; absent where it has none. */
  key?: string;
  value?: string;
  /** The value goes on. */
  isCut?: boolean;
  /** Of the whole value. */
  bytes: number;
}

/** What happened, in one sentence: it may be told anew, under its number, as it goes on. */
export interface Happening {
  id: number;
  /** In ms since 1970. */
  at: number;
  kind: 'group' | 'again' | 'broker' | 'topic' | 'kafka';
  text: string;
  group?: string;
}

/** What one round of questions has changed. */
export interface Tick {
  now: number;
  /** When Kafka answered last, in ms since 1970. */
  heard: number;
  change: Change;
  /** New ones, by partition. */
  messages: Record<string, Message[]>;
  /** New ones, and those that are told anew. */
  happenings: Happening[];
}

/** All there is to know: sent when a page connects. */
export interface Snapshot {
  now: number;
  heard: number;
  picture: Picture;
  /** All topics, Kafka's own left out. */
  topics: string[];
  /** Groups that are left out because there are too many. */
  groupsLeftOut: number;
  messages: Record<string, Message[]>;
  /** Oldest first. */
  happenings: Happening[];
  past: Past;
}

/** The last ten minutes: the oldest picture, and what each second has changed. */
export interface Past {
  since: number;
  base: Picture;
  changes: { at: number; change: Change }[];
}

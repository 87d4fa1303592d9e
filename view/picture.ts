/**
 * What the server tells the page: the picture of a topic, and how it changes. The server and the page share this
 * file, so it imports nothing.
 */

/** Plain data without null: a change (below) is told from it by `diff`, and put to it by `merge`. */
export interface Picture {
  topic: string;
  /** Since when there is no such topic, in ms since 1970; absent where there is one. */
  missing?: number;
  /** Since when Kafka gives no answer, and why. */
  silent?: { since: number; reason: string };
  controller?: number;
  /** By broker id. One that the cluster does not count in any more stays, marked. */
  brokers: Record<string, Broker>;
  /** By partition. */
  partitions: Record<string, Partition>;
  /** By group id: as Kafka has it, which may hold any character; `name` is for showing. */
  groups: Record<string, Group>;
}

export interface Broker {
  host: string;
  port: number;
  /** Since when the cluster does not count it in. */
  gone?: number;
  /** Since when it gives no answer, though the others count it in. */
  silent?: number;
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
  state: string;
  coordinator: number;
  /** By member id. */
  members: Record<string, Member>;
  /** By partition of the topic: only those that it has committed an offset of. */
  offsets: Record<string, Offset>;
  /** All that it has yet to read, in messages. */
  lag: number;
  /** How many times it was rebalanced since the view has known it. */
  rebalances: number;
  /** Since when Kafka does not know it any more: it is shown for a while, fading. */
  gone?: number;
}

export interface Member {
  /** A letter, in the order of appearance: members often share a client id. */
  letter: string;
  client: string;
  host: string;
  partitions: number[];
}

export interface Offset {
  /** The offset that it reads next, if it had to start anew. */
  committed: number;
  /** The distance to the end, in messages. */
  lag: number;
  /** The timestamp of the message at `committed`, in ms since 1970; absent where nothing is left or it has none. */
  oldest?: number;
  /** What it committed first, and how much was ahead of it then; absent where it did before we looked. */
  first?: { offset: number; from: 'start' | 'end' | 'between'; ahead: number };
  /** How far the last commit moved it, in messages. */
  step?: number;
  /** It has gone back: what lies between `committed` and this offset is delivered again. */
  again?: number;
}

export interface Message {
  offset: number;
  /** In ms since 1970; -1 where it has none. */
  timestamp: number;
  /** Its beginning, control characters escaped; absent where it has no value. */
  value?: string;
  /** Of the whole value. */
  bytes: number;
}

export interface Happening {
  /** In ms since 1970. */
  at: number;
  kind: 'member' | 'assigned' | 'state' | 'committed' | 'rewound' | 'leader' | 'broker' | 'topic' | 'kafka';
  /** A plain sentence. */
  text: string;
  group?: string;
  /** Of a partition that moves: which, and the letters of its members. */
  move?: { partition: number; from?: string; to: string };
}

/** What one round of questions has changed. */
export interface Tick {
  now: number;
  change: Change;
  /** New ones, by partition. */
  messages: Record<string, Message[]>;
  happenings: Happening[];
  cost: Cost;
}

/** What the view itself does. */
export interface Cost {
  /** Answers of Kafka in a second. */
  requests: number;
  /** Open pages. */
  watchers: number;
}

/** All there is to know: sent when a page connects. */
export interface Snapshot {
  now: number;
  picture: Picture;
  /** All topics, Kafka's own left out. */
  topics: string[];
  /** Groups that are left out because there are too many. */
  groupsLeftOut: number;
  messages: Record<string, Message[]>;
  /** Oldest first. */
  happenings: Happening[];
  past: Past;
  cost: Cost;
}

/** The last ten minutes: the oldest picture, and what each second has changed. */
export interface Past {
  since: number;
  base: Picture;
  changes: { at: number; change: Change }[];
}

/** A JSON merge patch (RFC 7396): null takes a key away, objects are merged, all else is put in place. */
export type Change = { [key: string]: unknown };

/** How long the past is kept, in ms. */
export const PAST_MS = 600_000;
/** A second of the past is one step. */
const STEP_MS = 1000;

/** What makes `after` of `before`; lags, which change with each message, are left to `withLags`. */
export function diff(before: object, after: object): Change {
  const change: Change = {};
  const was = before as Change;
  const is = after as Change;
  for (const key of Object.keys(was)) if (is[key] === undefined) change[key] = null;
  for (const [key, value] of Object.entries(is)) {
    const old = was[key];
    if (value === undefined || value === old || (key === 'lag' && old !== undefined)) continue;
    if (!isRecord(value) || !isRecord(old)) {
      if (JSON.stringify(value) !== JSON.stringify(old)) change[key] = value;
    } else {
      const inner = diff(old, value);
      if (Object.keys(inner).length > 0) change[key] = inner;
    }
  }
  return change;
}

/** What the change makes of `before`, which stays as it is. */
export function merge<T extends object>(before: T, change: Change): T {
  const after: Change = { ...(before as Change) };
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete after[key];
    else if (!isRecord(value)) after[key] = value;
    else after[key] = merge(isRecord(after[key]) ? after[key] : {}, value);
  }
  return after as T;
}

/** The picture with the lags that follow from its ends and what is committed. */
export function withLags(picture: Picture): Picture {
  const groups: Picture['groups'] = {};
  for (const [id, group] of Object.entries(picture.groups)) {
    const offsets: Group['offsets'] = {};
    let total = 0;
    for (const [partition, offset] of Object.entries(group.offsets)) {
      const lag = lagOf(picture, partition, offset);
      offsets[partition] = offset.lag === lag ? offset : { ...offset, lag };
      total += lag;
    }
    groups[id] = { ...group, offsets, lag: total };
  }
  return { ...picture, groups };
}

/** In messages. */
export function lagOf({ partitions }: Picture, partition: string, { committed }: Offset): number {
  return Math.max(0, (partitions[partition]?.end ?? -1) - committed);
}

/** Remembers ten minutes, a step for each second. */
export class Memory {
  /** What the last step starts from, and what it leads to. */
  private before: Picture;
  private latest: Picture;

  constructor(readonly past: Past) {
    this.latest = past.changes.reduce((picture, { change }) => merge(picture, change), past.base);
    this.before = this.latest;
  }

  add(at: number, picture: Picture): void {
    const { past } = this;
    const last = past.changes.at(-1);
    const isSameStep = last && Math.floor(last.at / STEP_MS) === Math.floor(at / STEP_MS);
    if (isSameStep && this.before !== this.latest) past.changes.pop();
    else this.before = this.latest;
    past.changes.push({ at, change: diff(this.before, picture) });
    this.latest = picture;
    while (past.changes[0] && past.changes[0].at < at - PAST_MS) {
      const { at: since, change: oldest } = past.changes.shift() as Past['changes'][number];
      past.since = since;
      past.base = merge(past.base, oldest);
    }
  }

  /** The picture as it was at that time. */
  pictureAt(at: number): Picture {
    let picture = this.past.base;
    for (const step of this.past.changes) {
      if (step.at > at) break;
      picture = merge(picture, step.change);
    }
    return withLags(picture);
  }
}

function isRecord(value: unknown): value is Change {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

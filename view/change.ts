/** How a picture changes: told by `diff`, put to it by `merge`; and the last ten minutes, kept as changes. */
import type { Group, Offset, Past, Picture } from './picture';

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
    this.before = past.base;
    this.latest = past.base;
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
}

function isRecord(value: unknown): value is Change {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The last ten minutes, a picture for each second: all that is drawn of the past is read from here. */
import { merge, PAST_MS, withLags } from '../change';
import type { Picture, Past as Told } from '../picture';

export interface Moment {
  /** In ms since 1970. */
  at: number;
  picture: Picture;
  /** The largest lag of a group in one partition. */
  highest: number;
}

export class Past {
  /** Oldest first; the last one is that of this second, and goes on. */
  readonly moments: Moment[] = [];
  private isLastKept = false;

  constructor({ since, base, changes }: Told) {
    this.add(since, withLags(base));
    let picture = base;
    for (const { at, change } of changes) {
      picture = merge(picture, change);
      this.add(at, withLags(picture));
    }
  }

  add(at: number, picture: Picture): void {
    const { moments } = this;
    const isSameStep = moments.length > 0 && second(moments.at(-1)?.at ?? 0) === second(at);
    if (isSameStep && !this.isLastKept) moments.pop();
    this.isLastKept = false;
    moments.push({ at, picture, highest: highestLag(picture) });
    while (moments[1] && moments[1].at < at - PAST_MS) moments.shift();
  }

  /** Somebody stops at the present: what comes in the rest of this second is not to take its place. */
  keepLast(): void {
    this.isLastKept = true;
  }

  /** How it was then. */
  pictureAt(at: number): Picture | undefined {
    return this.back(at).next().value?.picture ?? this.moments[0]?.picture;
  }

  /** The moments up to that one, latest first. */
  *back(at: number): Generator<Moment, undefined> {
    let index = this.moments.length - 1;
    while (index >= 0 && (this.moments[index] as Moment).at > at) index--;
    for (; index >= 0; index--) yield this.moments[index] as Moment;
  }

  /** Messages that came in a second to the partition, over the last ones before that time. */
  rate(partition: string, end: number, at: number, ms: number): number {
    let from: { at: number; end: number } | undefined;
    for (const { at: then, picture } of this.back(at)) {
      const known = picture.partitions[partition]?.end ?? -1;
      if (known < 0) break;
      from = { at: then, end: known };
      if (then <= at - ms) break;
    }
    return from && at - from.at >= 500 ? ((end - from.end) * 1000) / (at - from.at) : 0;
  }

  /** The largest lag up to that time: what the lines of all groups are drawn against. */
  highest(at: number): number {
    let highest = 1;
    for (const moment of this.back(at)) highest = Math.max(highest, moment.highest);
    return highest;
  }
}

export const second = (at: number): number => Math.floor(at / 1000);

function highestLag({ groups }: Picture): number {
  let highest = 0;
  for (const { offsets } of Object.values(groups))
    for (const { lag } of Object.values(offsets)) highest = Math.max(highest, lag);
  return highest;
}

/** A commit: it moved the group from one offset to another, at about that time. */
export interface Step {
  from: number;
  to: number;
  at: number;
}

/** The group's commits of a partition up to that time, latest first; for as long as they are wanted. */
export function* stepsOf(
  past: Past,
  present: Picture,
  at: number,
  group: string,
  partition: string,
): Generator<Step> {
  let later = present.groups[group]?.offsets[partition];
  let laterAt = at;
  for (const { at: then, picture } of past.back(at)) {
    const offset = picture.groups[group]?.offsets[partition];
    if (!later || !offset) return;
    if (offset.committed < later.committed) {
      // Two in one second: the latter one is known by how far it went.
      const between = later.committed - (later.step ?? 0);
      const time = later.at ?? laterAt;
      if (between > offset.committed && between < later.committed) {
        yield { from: between, to: later.committed, at: time };
        yield { from: offset.committed, to: between, at: time };
      } else yield { from: offset.committed, to: later.committed, at: time };
    }
    later = offset;
    laterAt = then;
  }
}

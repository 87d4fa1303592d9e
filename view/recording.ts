/** What the live view told of a topic for a while, in a form that is small enough to be kept. */
import { merge } from './change';
import type { Picture, Snapshot, Tick } from './picture';

export interface Recording {
  /** What it told first; `now` is when that was. */
  state: Snapshot;
  /** What it told then, in order, without what goes without saying. */
  ticks: Kept[];
}

/** A recording as the page of them shows it. */
export interface Shown {
  /** Names it in the page's address. */
  slug: string;
  title: string;
  caption: string;
  recording: Recording;
}

type Kept = Pick<Tick, 'now'> & Partial<Tick>;

/** The tick without what is empty. */
export function keep(tick: Tick): Kept {
  const kept = Object.entries(tick).filter(
    ([, value]) => typeof value !== 'object' || Object.keys(value).length > 0,
  );
  return Object.fromEntries(kept) as unknown as Kept;
}

/** The tick as it was told. */
export function told(kept: Kept): Tick {
  return { change: {}, messages: {}, happenings: [], ...kept } as Tick;
}

/** What was to be seen, tick by tick. */
export function pictures({ state, ticks }: Recording): Picture[] {
  let { picture } = state;
  return ticks.map(({ change = {} }) => {
    picture = merge(picture, change);
    return picture;
  });
}

/** Where a lane has its offsets. It stands still, and turns a page when it is full: what moves is a commit. Pure. */

export interface Scale {
  /** One bar a second instead of one cell a message. */
  isBars: boolean;
  /** The first offset that has a place, and how many have. */
  first: number;
  span: number;
}

/** From so many messages a second on, cells could not be read: they become bars, and below the other one, cells again. */
const BARS_FROM = 12;
const CELLS_BELOW = 8;
/** What bars show at least, in seconds. */
const BARS_SECONDS = 20;
/** Of a page that is turned, so much stays in sight. */
const KEPT = 0.25;

/**
 * @param rate messages a second
 * @param lag the largest one that is to be in sight
 * @param cells so many fit in
 * @param before what it was: it changes only where it has to
 */
export function scaleOf(end: number, rate: number, lag: number, cells: number, before?: Scale): Scale {
  const isBars = rate > (before?.isBars ? CELLS_BELOW : BARS_FROM);
  const span = isBars ? spanOf(Math.max(rate * BARS_SECONDS, lag / KEPT), before) : cells;
  const kept = Math.max(1, Math.floor(span * KEPT));
  const page = Math.max(1, span - kept);
  return { isBars, span, first: Math.max(0, Math.floor((end - kept) / page) * page) };
}

/** As it was, unless that is too little, or far too much. */
function spanOf(needed: number, before: Scale | undefined): number {
  if (before?.isBars && before.span >= needed && before.span <= needed * 4) return before.span;
  const unit = 10 ** Math.floor(Math.log10(Math.max(10, needed)));
  return ([1, 2, 5, 10].find((digit) => digit * unit >= needed) ?? 10) * unit;
}

/** Where an offset lies, in per cent of the lane's width. */
export function place({ first, span }: Scale, offset: number): number {
  return ((offset - first) / span) * 100;
}

/** The same, no further left than the lane goes, as CSS writes it. */
export function left(scale: Scale, offset: number): string {
  return `${Math.max(0, place(scale, offset)).toFixed(3)}%`;
}

/** From the one to the other, as far as it is in sight, as CSS writes it. */
export function stretch(scale: Scale, from: number, to: number): { left: string; width: string } {
  const [begin, end] = [from, to].map((offset) => Math.min(100, Math.max(0, place(scale, offset)))) as [
    number,
    number,
  ];
  return { left: `${begin.toFixed(3)}%`, width: `${Math.max(0, end - begin).toFixed(3)}%` };
}

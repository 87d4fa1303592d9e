/** Words that the log of what happened and the page have in common. Pure. */
import type { First } from './picture';

/** "partition 3", "partitions 0 to 2, 5". */
export function listed(partitions: readonly number[]): string {
  const runs: [from: number, to: number][] = [];
  for (const partition of [...partitions].sort((one, other) => one - other)) {
    const last = runs.at(-1);
    if (last && last[1] === partition - 1) last[1] = partition;
    else runs.push([partition, partition]);
  }
  const names = runs.map(([from, to]) => (from === to ? from : `${from} to ${to}`));
  return `${partitions.length === 1 ? 'partition' : 'partitions'} ${names.join(', ')}`;
}

/**
 * Where a group began, or, of one that commits only what it has handled, what it committed first.
 *
 * @param isBeginning whether its first commit is where it began
 */
export function began({ offset, start, ahead = 0 }: First, isBeginning: boolean): string {
  if (!isBeginning) return `first commit at ${offset}`;
  if (offset > start) return `began at ${offset}: skipped ${range(start, offset)}`;
  return `began at ${offset}${ahead > 0 ? `: replayed ${ahead}` : ''}`;
}

/** "7", "0–7": up to the last one, that is, not to `end`. */
export function range(from: number, end: number): string {
  return end - from === 1 ? String(from) : `${from}–${end - 1}`;
}

/** The tables of docs/drills.md, one for each number of brokers, and their sums for the README. Pure. */
import type { Brokers } from './brokers';
import type { Drill } from './drill';
import type { Outcome } from './lab';

export type Outcomes = ReadonlyMap<Pick<Drill, 'name' | 'title'>, readonly Outcome[]>;

const COUNTS = ['sent', 'lost', 'repeated', 'disordered'] as const;

/** What a table is of: its mark in docs/drills.md. */
const MARKS: Record<Brokers, string> = { 1: 'one broker', 3: 'three brokers' };

/** In Markdown: the sums over all runs, and of the seconds the median and the highest. */
export function table(outcomes: Outcomes): string {
  const rows = [...outcomes].map(([{ name, title }, all]) => {
    const seconds = all.flatMap((outcome) => outcome.seconds ?? []).sort((a, b) => a - b);
    const median = seconds[Math.floor(seconds.length / 2)];
    const recovery = median === undefined ? '–' : `${median.toFixed(1)} (${seconds.at(-1)?.toFixed(1)})`;
    const counts = COUNTS.map((count) =>
      all.reduce((sum, outcome) => sum + outcome[count], 0).toLocaleString('en'),
    );
    return `| ${title} (\`${name}\`) | ${all.length} | ${counts.join(' | ')} | ${recovery} |`;
  });
  return [
    '| drill | runs | messages sent | lost | repeated | out of order | seconds to recover: median (highest) |',
    '|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** Puts the table of one number of brokers in the place of the one before, and leaves all else as it is. */
export function withTable(page: string, brokers: Brokers, outcomes: Outcomes, made: string): string {
  const [before, , after] = split(page, MARKS[brokers]);
  return `${before}${table(outcomes)}\n\n${made}\n${after}`;
}

/** Puts the sums of the tables that the page has into the README. */
export function withSums(readme: string, page: string): string {
  const [before, , after] = split(readme, 'drills');
  const all = Object.values(MARKS).flatMap((mark) => sums(mark, split(page, mark)[1]) ?? []);
  return `${before}${all.join('\n')}\n([docs/drills.md](docs/drills.md))\n${after}`;
}

/** Of one table, in a sentence; undefined where it has no rows. */
function sums(mark: string, text: string): string | undefined {
  const rows = text.split('\n').flatMap((line) => (/`\) \| \d/.test(line) ? [line.split('|')] : []));
  if (rows.length === 0) return undefined;
  const column = (index: number) => rows.map((row) => Number(row[index]?.replaceAll(',', '')));
  const sum = (index: number) => column(index).reduce((total, count) => total + count, 0);
  const [runs] = column(2);
  const drills = `${rows.length} drill${rows.length === 1 ? '' : 's'}, ${runs === 1 ? 'once' : `${runs} times`} each`;
  const sent = sum(3).toLocaleString('en');
  return `On ${mark}, ${drills}: ${sent} messages sent, ${sum(4)} lost, ${sum(6)} out of order.`;
}

/**
 * What is before, between and after the marks; these stay with what is around them.
 *
 * @throws Error where they are not there
 */
function split(text: string, mark: string): [before: string, between: string, after: string] {
  const [begin, end] = [`<!-- ${mark} -->\n`, `<!-- end of ${mark} -->`];
  const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)];
  if (!text.includes(begin) || to < from)
    throw new Error(`no ${begin.trim()} … ${end}: put these marks where it is to stand`);
  return [text.slice(0, from), text.slice(from, to), text.slice(to)];
}

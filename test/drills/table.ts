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
  return between(page, MARKS[brokers], () => `${table(outcomes)}\n\n${made}\n`);
}

/** Puts the sums of both tables of the page into the README. */
export function withSums(readme: string, page: string): string {
  const sums = Object.values(MARKS).flatMap((mark) => {
    const rows: string[][] = [];
    between(page, mark, (text) => {
      for (const line of text.split('\n'))
        if (/`\) \| \d/.test(line)) rows.push(line.split('|').slice(1, -1));
      return text;
    });
    if (rows.length === 0) return [];
    const sum = (column: number) =>
      rows.reduce((total, row) => total + Number(row[column]?.replaceAll(',', '')), 0).toLocaleString('en');
    const runs = Number(rows[0]?.[1]);
    const often = runs === 1 ? 'once' : `${runs} times`;
    return [
      `On ${mark}, ${rows.length} drills, ${often} each: ${sum(2)} messages sent, ${sum(3)} lost, ${sum(5)} out of order.`,
    ];
  });
  return between(readme, 'drills', () => `${[...sums, '([docs/drills.md](docs/drills.md))'].join('\n')}\n`);
}

/** @throws Error where the marks `<!-- NAME -->` and `<!-- end of NAME -->` are not there */
function between(text: string, mark: string, put: (text: string) => string): string {
  const [begin, end] = [`<!-- ${mark} -->\n`, `<!-- end of ${mark} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from)
    throw new Error(`no ${begin.trim()} … ${end}: put these marks where it is to stand`);
  return text.slice(0, from + begin.length) + put(text.slice(from + begin.length, to)) + text.slice(to);
}

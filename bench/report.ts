/** The results for readers: all of them in docs/measured.md, and in the README what matters most. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Circumstances, Figure, Much, Results, Throughput } from './types';

const ROOT = join(__dirname, '..');
const US = 'this project';

export function report(results: Results): void {
  writeFileSync(join(ROOT, 'docs', 'measured.md'), `${measured(results).join('\n\n')}\n`);
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const marked = /(?<=<!-- bench -->\n).*(?=<!-- end of bench -->)/s;
  writeFileSync(
    join(ROOT, 'README.md'),
    readme.replace(marked, () => headlines(results)),
  );
}

function measured({ throughput, latency, start, cost, history, view }: Results): string[] {
  return [
    '# Measured',
    `By \`npm run bench\`. Each figure is the median of the rounds, with the lowest and the highest in brackets; a round
measures everything once, in turn, on the same broker. The long history and the view are measured once, whole.`,
    ...origins({ throughput, latency, start, cost, history, view }),
    '## Throughput',
    `A topic holds 2,000,000 messages of the demo's kind. Each client joins a group, parses each value as JSON, and commits:
one by one, at most 100 messages are handled and not committed; of batches, one. The clock starts with the assignment.
"With its log" prints the demo's line for each message or batch, too. "Read only" are tools that parse nothing and
commit nothing: what the broker can give.`,
    throughputTable(throughput?.rows),
    '## Latency',
    'In ms, from the tick of the producer to the line of the consumer.',
    table(
      ['messages a second', 'client', 'p50', 'p99', 'highest'],
      latency?.rows.map(({ client, rate, p50, p99, max }) => [
        count(rate),
        client,
        ...[p50, p99, max].map((ms) => show(ms, 1)),
      ]),
    ),
    '## Start and stop',
    'In seconds, with everything built; each start is of a new topic.',
    table(
      ['where', 'part', 'seconds'],
      start?.rows.map(({ where, part, seconds }) => [where, part, show(seconds, 2)]),
    ),
    '## Cost',
    'At one message a second, as in the demo.',
    table(
      ['process', '% of a core', 'MB'],
      cost?.rows.map(({ process, cpu, memory }) => [process, show(cpu, 1), show(memory, 0)]),
    ),
    '## A long history',
    'Replayed once, for its length, with the heap of the containers; MB are of the whole process.',
    table(
      ['service', 'messages', 'seconds', 'MB at the first', 'at a tenth', 'at half', 'at the end', 'highest'],
      history?.rows.map(({ service, messages, seconds, memory }) => {
        const at = (part: number) => memory[Math.round(part * (memory.length - 1))] as number;
        const samples = [at(0), at(0.1), at(0.5), at(1), Math.max(...memory)];
        return [service, count(messages), count(seconds), ...samples.map(count)];
      }),
    ),
    '## The live view',
    "Its server beside the demo, and a page in a headless browser: each message's way is from the producer's tick to its cell.",
    table(
      ['% of a core, nobody watching', 'with a page', 'ms to the cell, p50', 'p99'],
      view?.rows.map(({ unwatched, watched, shownAfter: { p50, p99 } }) => [
        number(unwatched, 2),
        number(watched, 1),
        count(p50),
        count(p99),
      ]),
    ),
    ...(view?.rows ?? []).flatMap(({ much }) => (much ? ofMuch(much) : [])),
  ];
}

function ofMuch({ minutes, frames, framesAt4K, busy, server, page }: Much): string[] {
  return [
    `1,000 messages a second on 12 partitions, and 20 groups that all commit all the time, for ${minutes} minutes: ${show(frames, 0)}
frames a second at 1440 x 1000 pixels, and ${show(framesAt4K, 0)} at 3840 x 2160; the server takes ${show(busy, 0)} % of a core. MB of the
server's process, in the heap of its container, and of the page's heap:`,
    table(
      ['MB of', 'at first', 'at a tenth', 'at half', 'at the end', 'highest'],
      Object.entries({ 'the server': server, 'the page': page }).map(([what, memory]) => {
        const at = (part: number) => memory[Math.round(part * (memory.length - 1))] as number;
        const samples = [at(0), at(0.1), at(0.5), at(1), Math.max(...memory)];
        return [what, ...samples.map((mb) => number(mb, 1))];
      }),
    ),
  ];
}

/** What the parts have in common is said once. */
function origins(results: Results): string[] {
  const parts = new Map<string, string[]>();
  for (const [part, measured] of Object.entries(results)) {
    if (!measured) continue;
    const { circumstances } = measured;
    const said = describe(circumstances);
    parts.set(said, [...(parts.get(said) ?? []), part]);
  }
  return [...parts].map(([said, names]) => `**${names.join(', ')}**: ${said}`);
}

function describe({ date, rounds, machine, versions, missing }: Circumstances): string {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const left = missing.length > 0 ? `Left out: ${missing.join('; ')}` : 'Nothing was left out';
  return `${date}, ${rounds} rounds, on ${machine}; ${named.join(', ')}. ${left}.`;
}

function throughputTable(rows: readonly Throughput[] = []): string {
  const ours = ({ mode, partitions }: Throughput) =>
    rows.find(
      (row) =>
        row.client === US &&
        row.partitions === partitions &&
        row.mode === (mode === 'read only' ? 'batches of 1,000' : mode),
    );
  return table(
    ['partitions', 'mode', 'client', 'messages a second', 'this project is'],
    rows.map((row) => {
      const us = ours(row);
      const ratio = us && us !== row ? `${(us.rate.median / row.rate.median).toFixed(2)} ×` : '';
      return [count(row.partitions), row.mode, row.client, show(row.rate, 0), ratio];
    }),
  );
}

/** Four lines: how fast, how soon and at what cost, and the live view. The ranges are in docs/measured.md. */
function headlines({ throughput, latency, start, cost, history, view }: Results): string {
  const lines = ['one by one', 'batches of 1,000'].flatMap((mode) => {
    const rows = throughput?.rows.filter((row) => row.partitions === 1 && row.mode === mode) ?? [];
    const rates = rows.map(({ client, rate }) => `${client.replace(',', '')} ${count(rate.median)}`);
    return rates.length > 0 ? [`- Messages a second, ${mode}: ${rates.join(', ')}.`] : [];
  });
  const rest = [
    ...(latency?.rows ?? []).flatMap(({ client, rate, p50 }) =>
      client === US && rate === 1 ? [`from the tick to the line ${number(p50.median, 1)} ms`] : [],
    ),
    ...(start?.rows ?? []).flatMap(({ where, part, seconds }) =>
      part === 'the whole start'
        ? [`from the command to the first message ${number(seconds.median, 0)} s ${where}`]
        : [],
    ),
    ...(cost?.rows.slice(-1) ?? []).map(
      ({ process, cpu, memory }) =>
        `${process} take ${number(cpu.median, 1)} % of a core and ${number(memory.median, 0)} MB`,
    ),
    ...(history?.rows.slice(0, 1) ?? []).map(
      ({ messages, seconds, memory }) =>
        `${count(messages)} messages replayed in ${count(seconds)} s, in at most ${count(Math.max(...memory))} MB`,
    ),
  ].join('; ');
  const shown = (view?.rows ?? []).map(
    ({ unwatched, shownAfter, much }) =>
      `- The live view shows a message after ${count(shownAfter.p50)} ms; ${number(unwatched, 2)} % of a core with nobody ` +
      `watching${much ? `; with 20 groups at 1,000 a second ${number(much.frames.median, 0)} frames a second, in at most ${count(Math.max(...much.server))} MB` : ''}.`,
  );
  return `${[...lines, `- ${rest[0]?.toUpperCase()}${rest.slice(1)}.`, ...shown].join('\n')}\n`;
}

function table(head: readonly string[], rows: readonly string[][] = []): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function show({ median, low, high }: Figure, digits: number): string {
  const [m, l, h] = [median, low, high].map((value) => number(value, digits));
  return `${m} (${l}–${h})`;
}

const count = (value: number) => number(value, 0);

function number(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

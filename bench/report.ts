/** The results as tables: in bench/results/results.md, and in the README between its marks. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Figure } from './measure';
import type { Results } from './run';
import type { Throughput } from './throughput';

const README = join(__dirname, '..', 'README.md');

export function report(results: Results, folder: string): void {
  const text = tables(results);
  writeFileSync(join(folder, 'results.md'), `# Measured\n\n${text}`);
  const readme = readFileSync(README, 'utf8');
  const marked = /(<!-- bench -->\n).*(<!-- end of bench -->)/s;
  writeFileSync(
    README,
    readme.replace(marked, (_, begin, end) => `${begin}${headlines(results)}${end}`),
  );
}

/** What the README shows: the pictures, and the comparison with the others in short. */
function headlines(results: Results): string {
  const isShort = ({ partitions, mode, log }: { partitions: number; mode: string; log: boolean }) =>
    partitions === 1 && !log && SHORT.includes(mode);
  return [
    results.throughput && picture('throughput', 'Messages a second, by client and by size of batch'),
    throughputTable(results, isShort),
    results.latency && picture('latency', 'Milliseconds from the tick to the line, by client and rate'),
    latencyTable(results),
    results.lag && picture('lag', 'One by one falls behind a rate that a batch keeps up with'),
    results.start && picture('start', 'The parts of the start, in Docker and without it'),
    results.history && picture('history', 'Memory stays as it is while ten million messages are replayed'),
  ]
    .filter(Boolean)
    .join('\n\n')
    .concat('\n');
}

const SHORT = ['one by one', 'batches of 1,000', 'read only'];

function picture(name: string, words: string): string {
  return `![${words}](bench/results/${name}.svg)`;
}

function tables(results: Results): string {
  const { machine, versions = {}, measured = {}, missing = [] } = results;
  const sections = [
    [
      `Machine: ${machine}.`,
      `Versions: ${Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', ')}.`,
      `Measured: ${Object.entries(measured)
        .map(([part, when]) => `${part} ${when}`)
        .join('; ')}.`,
      missing.length > 0 ? `Left out: ${missing.join('; ')}.` : 'Nothing was left out.',
      'Each figure is the median, with the lowest and the highest in brackets.',
    ].join('\n'),
    titled(
      'Throughput',
      throughputTable(results, () => true),
    ),
    titled('Latency, in ms from the tick to the line', latencyTable(results)),
    titled('Lag at the end, in messages', lagTable(results)),
    titled('Start and stop, in seconds', startTable(results)),
    titled('Cost', costTable(results)),
    titled('A long history', historyTable(results)),
    titled('Where the time of batches of 1,000 goes', profileTable(results)),
  ];
  return `${sections.filter(Boolean).join('\n\n')}\n`;
}

function titled(title: string, body: string | undefined): string | undefined {
  return body && `## ${title}\n\n${body}`;
}

function throughputTable({ throughput }: Results, filter: (row: Throughput) => boolean) {
  if (!throughput) return undefined;
  const best = (mode: string, partitions: number) =>
    throughput.find(
      (row) =>
        row.client === 'this project' && !row.log && row.mode === mode && row.partitions === partitions,
    );
  return table(
    ['partitions', 'mode', 'client', 'messages a second', 'this project is'],
    throughput.filter(filter).map((row) => {
      const { partitions, mode, client, log, rate } = row;
      const us = best(mode === 'read only' ? 'batches of 1,000' : mode, partitions);
      const ratio = us && us !== row ? `${(us.rate.median / rate.median).toFixed(2)} ×` : '';
      return [partitions, mode, log ? `${client}, log on` : client, show(rate, 0), ratio];
    }),
  );
}

function latencyTable({ latency }: Results) {
  if (!latency) return undefined;
  return table(
    ['messages a second', 'client', 'p50', 'p99', 'highest'],
    [...latency]
      .sort((a, b) => a.rate - b.rate)
      .map(({ client, rate, p50, p99, max }) => [rate, client, show(p50, 1), show(p99, 1), show(max, 1)]),
  );
}

function lagTable({ lag }: Results) {
  if (!lag) return undefined;
  return table(
    ['messages a second', 'ms a call', 'consumer', 'messages not yet handled'],
    [...lag]
      .sort((a, b) => a.rate - b.rate || a.cost - b.cost)
      .map(({ rate, cost, mode, final }) => [rate, cost, mode, show(final, 0)]),
  );
}

function startTable({ start, processStart }: Results) {
  if (!start) return undefined;
  const rows = start.flatMap(({ where, parts }) =>
    parts.map(({ part, seconds }) => [where, part, show(seconds, 2)]),
  );
  const processes = (processStart ?? []).map(({ service, seconds }) => [
    'on a running broker',
    `${service}: from the process to its first line`,
    show(seconds, 2),
  ]);
  return table(['where', 'part', 'seconds'], [...rows, ...processes]);
}

function costTable({ cost }: Results) {
  if (!cost) return undefined;
  return table(
    ['state', 'process', '% of a core', 'MB'],
    cost.map(({ state, process, cpu, memory }) => [state, process, show(cpu, 2), show(memory, 0)]),
  );
}

function historyTable({ history }: Results) {
  if (!history) return undefined;
  return table(
    ['service', 'messages', 'seconds', 'MB at 1 %', 'MB at half', 'MB at the end', 'highest'],
    history.map(({ service, messages, seconds, curve }) => {
      const at = (part: number) =>
        curve.find((sample) => sample.messages >= messages * part)?.memory.toFixed(0) ?? '';
      const highest = Math.max(...curve.map(({ memory }) => memory)).toFixed(0);
      return [
        service,
        messages.toLocaleString('en'),
        seconds.toFixed(0),
        at(0.01),
        at(0.5),
        curve.at(-1)?.memory.toFixed(0) ?? '',
        highest,
      ];
    }),
  );
}

function profileTable({ profile }: Results) {
  if (!profile) return undefined;
  return table(
    ['what', '% of the run'],
    profile.map(({ what, share }) => [what, share]),
  );
}

function table(head: string[], rows: (string | number)[][]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function show({ median, low, high }: Figure, digits: number): string {
  const [m, l, h] = [median, low, high].map((value) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }),
  );
  return `${m} (${l}–${h})`;
}

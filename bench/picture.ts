/** The pictures of the results, drawn by Vega-Lite. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Results } from './run';

type Spec = Record<string, unknown>;

/** Colours that colour-blind people tell apart (Okabe and Ito): this project's own first. */
const COLOURS = ['#D55E00', '#0072B2', '#009E73', '#E69F00', '#56B4E9', '#999999'];
const CLIENTS = [
  'this project',
  '@platformatic/kafka',
  'kafka-python',
  'confluent-kafka',
  'kcat',
  "Kafka's perf tool",
];
const BY_CLIENT = {
  field: 'client',
  type: 'nominal',
  sort: CLIENTS,
  scale: { domain: CLIENTS, range: COLOURS },
};

/** Draws what there is of the results into the folder, as SVG. */
export function drawAll(results: Results, folder: string): void {
  const pictures: [string, Spec | undefined][] = [
    ['throughput', results.throughput && throughputPicture(results.throughput)],
    ['latency', results.latency && latencyPicture(results.latency)],
    ['lag', results.lag && lagPicture(results.lag)],
    ['start', results.start && startPicture(results.start)],
    ['history', results.history && historyPicture(results.history)],
  ];
  for (const [name, spec] of pictures) if (spec) writeFileSync(join(folder, `${name}.svg`), draw(spec));
}

/** A point at the median, on a rule from the lowest to the highest. */
function throughputPicture(results: NonNullable<Results['throughput']>): Spec {
  const values = results
    .filter(({ log }) => !log)
    .map(({ client, partitions, mode, rate }) => ({
      client,
      mode,
      partitions: partitions === 1 ? '1 partition' : `${partitions} partitions`,
      ...thousands(rate),
    }));
  const modes = [
    'one by one',
    'batches of 1',
    'batches of 10',
    'batches of 100',
    'batches of 1,000',
    'read only',
  ];
  const scale = { type: 'log', domain: [1, 5000], nice: false };
  const x = { type: 'quantitative', title: 'thousand messages a second, logarithmic', scale };
  return {
    title: 'Throughput: median, and lowest to highest of five',
    data: { values: values.filter(({ partitions }) => partitions === '1 partition') },
    facet: {
      row: { field: 'mode', sort: modes, title: null, header: { labelAngle: 0, labelAlign: 'left' } },
    },
    resolve: { scale: { y: 'independent' } },
    spec: {
      width: 520,
      height: { step: 16 },
      layer: [
        {
          mark: 'rule',
          encoding: {
            x: { ...x, field: 'low' },
            x2: { field: 'high' },
            y: { field: 'client', sort: CLIENTS, title: null },
            color: { ...BY_CLIENT, legend: null },
          },
        },
        {
          mark: { type: 'point', size: 60, filled: true, opacity: 1 },
          encoding: {
            x: { ...x, field: 'median' },
            y: { field: 'client', sort: CLIENTS },
            color: { ...BY_CLIENT, legend: null },
          },
        },
      ],
    },
  };
}

function latencyPicture(results: NonNullable<Results['latency']>): Spec {
  const values = results.flatMap(({ client, rate, p50, p99 }) => [
    { client, rate: `${rate.toLocaleString('en')} a second`, what: 'p50', ...p50 },
    { client, rate: `${rate.toLocaleString('en')} a second`, what: 'p99', ...p99 },
  ]);
  const x = {
    type: 'quantitative',
    title: 'ms, logarithmic',
    scale: { type: 'log', domain: [0.8, 120], nice: false },
  };
  return {
    title: 'From the tick to the line: medians of p50 (filled) and p99 (hollow), and their lowest to highest',
    data: { values },
    facet: {
      row: {
        field: 'rate',
        sort: ['1 a second', '100 a second', '1,000 a second'],
        title: null,
        header: { labelAngle: 0, labelAlign: 'left' },
      },
    },
    spec: {
      width: 520,
      height: { step: 18 },
      layer: [
        {
          mark: { type: 'rule' },
          encoding: {
            x: { ...x, field: 'low' },
            x2: { field: 'high' },
            y: { field: 'client', sort: CLIENTS, title: null },
            color: { ...BY_CLIENT, legend: null },
          },
        },
        {
          mark: { type: 'point', size: 60, strokeWidth: 2 },
          encoding: {
            x: { ...x, field: 'median' },
            y: { field: 'client', sort: CLIENTS },
            stroke: { ...BY_CLIENT, legend: null },
            fill: {
              condition: { test: "datum.what === 'p50'", ...BY_CLIENT, legend: null },
              value: 'white',
            },
          },
        },
      ],
    },
  };
}

function lagPicture(results: NonNullable<Results['lag']>): Spec {
  const values = results.flatMap(({ rate, cost, mode, curve }) =>
    curve.map((sample) => ({
      rate: `${rate} messages a second`,
      cost: `${cost} ms a call`,
      mode,
      ...sample,
    })),
  );
  const modes = [...new Set(results.map(({ mode }) => mode))];
  return {
    title: 'Lag: one by one falls behind, a batch keeps up',
    data: { values },
    facet: {
      column: {
        field: 'cost',
        sort: ['0 ms a call', '1 ms a call', '10 ms a call', '50 ms a call'],
        title: null,
      },
      row: { field: 'rate', sort: ['50 messages a second', '500 messages a second'], title: null },
    },
    resolve: { scale: { y: 'independent' } },
    spec: {
      width: 170,
      height: 150,
      mark: { type: 'line', strokeWidth: 2 },
      encoding: {
        x: { field: 'second', type: 'quantitative', title: 'seconds' },
        y: { field: 'lag', type: 'quantitative', title: 'messages behind' },
        color: {
          field: 'mode',
          type: 'nominal',
          sort: modes,
          scale: { domain: modes, range: COLOURS },
          title: null,
        },
      },
    },
  };
}

function startPicture(results: NonNullable<Results['start']>): Spec {
  const names = results[0]?.parts.slice(0, -2).map(({ part }) => part) as string[];
  const values = results.flatMap(({ where, parts }) =>
    parts
      .filter(({ part }) => names.includes(part))
      .map(({ part, seconds }) => ({ where, part, seconds: seconds.median, order: names.indexOf(part) })),
  );
  return {
    title: 'From ./buildAndRun.sh to the first message received',
    data: { values },
    width: 640,
    height: { step: 34 },
    mark: 'bar',
    encoding: {
      x: { field: 'seconds', type: 'quantitative', title: 'seconds' },
      y: { field: 'where', type: 'nominal', title: null },
      color: {
        field: 'part',
        type: 'nominal',
        sort: names,
        scale: { domain: names, range: ['#999999', '#0072B2', '#56B4E9', '#E69F00', '#D55E00'] },
        title: null,
        legend: { orient: 'bottom', labelLimit: 0 },
      },
      order: { field: 'order' },
    },
  };
}

function historyPicture(results: NonNullable<Results['history']>): Spec {
  const values = results.flatMap(({ service, curve }) =>
    curve.map(({ messages, memory }) => ({ service, messages: messages / 1e6, memory })),
  );
  return {
    title: 'Memory of a consumer while it replays the history',
    data: { values },
    width: 640,
    height: 200,
    mark: { type: 'line', point: true, strokeWidth: 2 },
    encoding: {
      x: { field: 'messages', type: 'quantitative', title: 'million messages' },
      y: { field: 'memory', type: 'quantitative', title: 'resident, MB' },
      color: { field: 'service', type: 'nominal', scale: { range: COLOURS }, title: null },
    },
  };
}

function thousands({ median, low, high }: { median: number; low: number; high: number }) {
  return { median: median / 1000, low: low / 1000, high: high / 1000 };
}

function draw(spec: Spec): string {
  const config = { background: 'white', font: 'sans-serif', padding: 12 };
  const input = JSON.stringify({ ...spec, config });
  return execFileSync(process.execPath, [join(__dirname, 'draw.mjs')], { input, encoding: 'utf8' });
}

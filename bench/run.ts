/**
 * `npm run bench`: measures this project beside what a user would pick instead, on one real broker.
 *
 *     npm run bench -- [throughput | latency | lag | start | cost | history | profile ...] [--rounds N] [--short]
 *
 * What is measured goes to bench/results/, as figures, tables and pictures, and the tables to the README. With no
 * measurement named, all are made; `draw` makes none, and draws what is there.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fetchKafka } from '../local/broker';
import { type Cost, cost, type History, history } from './cost';
import { type Lag, lag } from './lag';
import { type Latency, latency } from './latency';
import { type Lab, openLab } from './measure';
import { type Client, clients, install, NODE } from './peers';
import { drawAll } from './picture';
import { type Profile, profile } from './profile';
import { report } from './report';
import { type ProcessStart, processStarts, type Start, starts } from './start';
import { type Throughput, throughput } from './throughput';

const FOLDER = join(__dirname, 'results');
const RESULTS = join(FOLDER, 'results.json');

/** What bench/results/results.json holds; of each part, what was measured last. */
export interface Results {
  machine?: string;
  versions?: Record<string, string>;
  /** What could not be measured, and why. */
  missing?: string[];
  /** When each part was measured, and in how many rounds. */
  measured?: Record<string, string>;
  throughput?: Throughput[];
  latency?: Latency[];
  lag?: Lag[];
  start?: Start[];
  processStart?: ProcessStart[];
  cost?: Cost[];
  history?: History[];
  profile?: Profile[];
}

type Part = (lab: Lab, all: Client[], short: boolean, results: Results) => Promise<void>;

const parts: Record<string, Part> = {
  async throughput(lab, all, short, results) {
    const options = { messages: short ? 50_000 : 2_000_000, seconds: short ? 1 : 4 };
    results.throughput = await throughput(lab, all, options);
  },
  async latency(lab, all, _, results) {
    results.latency = await latency(lab, all);
  },
  async lag(lab, _, __, results) {
    results.lag = await lag(lab);
  },
  async start(lab, _, __, results) {
    results.processStart = await processStarts(lab);
    results.start = await starts(lab, (why) => results.missing?.push(`the start in Docker: ${why}`));
  },
  async cost(lab, _, short, results) {
    results.cost = await cost(lab, short ? 2 : 10);
  },
  async history(lab, _, short, results) {
    results.history = await history(lab, short ? 100_000 : 10_000_000);
  },
  async profile(lab, _, short, results) {
    results.profile = await profile(lab, short ? 100_000 : 2_000_000);
  },
};

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string', default: '5' }, short: { type: 'boolean', default: false } },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds is ${values.rounds}: a whole number from 1 is needed`);
  const unknown = positionals.find((name) => name !== 'draw' && !(name in parts));
  if (unknown)
    throw new Error(`${unknown} is no measurement: choose of ${Object.keys(parts).join(', ')}, draw`);
  const chosen = Object.keys(parts).filter((name) => positionals.length === 0 || positionals.includes(name));

  console.log('Installing what to compare with, and what draws …');
  install();
  const results: Results = existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : {};
  if (chosen.length > 0) await measure(chosen, rounds, values.short, results);
  if (values.short) return;
  drawAll(results, FOLDER);
  report(results, FOLDER);
}

async function measure(chosen: string[], rounds: number, short: boolean, results: Results): Promise<void> {
  await fetchKafka();
  results.missing = [];
  const all = clients((name, why) => {
    console.log(`${name} is left out: ${why}`);
    results.missing?.push(`${name}: ${why}`);
  });
  results.machine = `${cpus().length} cores (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GB, shared by the broker and the clients`;
  results.versions = {
    'Node.js': execFileSync(NODE, ['--version'], { encoding: 'utf8' }).trim(),
    'Kafka and its perf tool': /<kafka.version>(.*)</.exec(
      readFileSync(join(__dirname, '..', 'local', 'pom.xml'), 'utf8'),
    )?.[1] as string,
    ...Object.fromEntries(all.map(({ name, version }) => [name, version])),
  };
  const dataDir = mkdtempSync(join(tmpdir(), 'kafka-consumers-bench-'));
  const lab = await openLab(dataDir, rounds);
  try {
    for (const name of chosen) {
      await (parts[name] as Part)(lab, all, short, results);
      results.measured = {
        ...results.measured,
        [name]: `${new Date().toISOString().slice(0, 10)}, ${rounds} rounds`,
      };
      if (!short) save(results);
    }
  } finally {
    await lab.admin.disconnect();
    await lab.broker.stop();
    rmSync(dataDir, { recursive: true });
  }
}

function save(results: Results): void {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(RESULTS, `${JSON.stringify(results)}\n`);
}

main().then(
  () => process.exit(),
  (error) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);

/**
 * `npm run bench`: measures this project beside what a user would pick instead, on one real broker.
 *
 *     npm run bench -- [throughput | latency | start | cost | history | view ...] [--rounds N] [--short]
 *
 * With nothing named, all is measured, in about 35 minutes. What was measured is kept in bench/results.json; of it
 * are made docs/measured.md and the README's part, which `npm run bench -- report` makes anew.
 * `--short` is a trial: few messages, and nothing is kept.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cost, history } from './cost';
import { circumstances, installClients } from './install';
import { inLab } from './lab';
import { latency } from './latency';
import { report } from './report';
import { starts } from './start';
import { throughput } from './throughput';
import type { Client, Lab, Results, Rows } from './types';
import { view } from './view';

const RESULTS = join(__dirname, 'results.json');

const parts: { [Part in keyof Rows]: (lab: Lab, clients: Client[]) => Promise<Rows[Part]> } = {
  throughput,
  latency,
  start: starts,
  cost,
  history,
  view,
};

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string', default: '5' }, short: { type: 'boolean', default: false } },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds is ${values.rounds}: a whole number from 1 is needed`);
  const names = Object.keys(parts) as (keyof Rows)[];
  const unknown = positionals.find((name) => name !== 'report' && !names.includes(name as keyof Rows));
  if (unknown) throw new Error(`${unknown} is no part of the bench: choose of ${names.join(', ')}, report`);
  const chosen = names.filter((name) => positionals.length === 0 || positionals.includes(name));

  const results: Results = existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : {};
  if (chosen.length > 0)
    await inLab(rounds, values.short, async (lab) => {
      lab.progress('installing what to compare with');
      const clients = installClients(lab, chosen.includes('throughput') || chosen.includes('latency'));
      const missing = lab.missing;
      for (const why of missing) lab.progress(`left out: ${why}`);
      for (const name of chosen) {
        lab.missing = [...missing];
        const rows = await parts[name](lab, clients);
        Object.assign(results, { [name]: { circumstances: circumstances(lab, clients), rows } });
        if (!values.short) writeFileSync(RESULTS, `${JSON.stringify(results)}\n`);
      }
    });
  if (!values.short) report(results);
}

main().then(
  () => process.exit(),
  (error) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);

/**
 * `npm run drills`: breaks the running Compose stack in every way that the README names, and counts the messages.
 *
 *     npm run drills -- [NAME ...] [--runs N] [--short]
 *
 * Ends with a table; all the drills in their full form write it to test/drills/results.md and to the README.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Drill, drills } from './drills';
import { demand, Lab, type Outcome } from './lab';

const RESULTS = join(__dirname, 'results.md');
const README = join(__dirname, '..', '..', 'README.md');

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { runs: { type: 'string', default: '1' }, short: { type: 'boolean', default: false } },
  });
  const runs = Number(values.runs);
  demand(Number.isInteger(runs) && runs > 0, `--runs is ${values.runs}: a whole number from 1 is needed`);
  const names = drills.map(({ name }) => name);
  const unknown = positionals.find((name) => !names.includes(name));
  demand(unknown === undefined, `${unknown} is no drill: choose of ${names.join(', ')}`);
  const chosen = drills.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

  const outcomes = new Map<Drill, Outcome[]>(chosen.map((drill) => [drill, []]));
  let failures = 0;
  const lab = new Lab();
  try {
    await lab.open();
    for (let run = 1; run <= runs; run++) {
      for (const drill of chosen) {
        const start = performance.now();
        const report = (what: string) => {
          const took = ((performance.now() - start) / 1000).toFixed(0);
          console.log(`${drill.name} (run ${run} of ${runs}): ${what}; ${took} s`);
        };
        try {
          const outcome = await drill.run(lab, values.short);
          outcomes.get(drill)?.push(outcome);
          demand(
            outcome.repeated <= drill.repeats,
            `FAILED, more than ${drill.repeats} repeats: ${line(outcome)}`,
          );
          demand(outcome.lost === 0 && outcome.disordered === 0, `FAILED: ${line(outcome)}`);
          report(line(outcome));
        } catch (error) {
          failures++;
          report((error as Error).message.replace(/^(?!FAILED)/, 'FAILED: '));
          await lab.reset();
        }
      }
      if (failures === 0 && run < runs && !values.short && chosen.length === drills.length) write(outcomes);
    }
  } finally {
    await lab.close();
  }
  console.log(`\n${table(outcomes)}`);
  if (failures > 0) throw new Error(`${failures} failed`);
  if (chosen.length === drills.length && !values.short) write(outcomes);
}

function line({ sent, lost, repeated, disordered, seconds }: Outcome): string {
  const recovery = seconds === undefined ? '' : `, recovered in ${seconds.toFixed(1)} s`;
  return `${sent} sent, ${lost} lost, ${repeated} repeated, ${disordered} out of order${recovery}`;
}

/** In Markdown: the sums over all runs, and of the seconds the median and the highest. */
function table(outcomes: Map<Drill, Outcome[]>): string {
  const rows = [...outcomes].map(([{ name, title }, all]) => {
    const sum = (pick: (outcome: Outcome) => number) => all.map(pick).reduce((a, b) => a + b, 0);
    const seconds = all.flatMap((outcome) => outcome.seconds ?? []).sort((a, b) => a - b);
    const recovery =
      seconds.length === 0
        ? '–'
        : `${seconds[Math.floor(seconds.length / 2)]?.toFixed(1)} (${seconds.at(-1)?.toFixed(1)})`;
    const counts = [
      sum(({ sent }) => sent),
      sum(({ lost }) => lost),
      sum(({ repeated }) => repeated),
      sum(({ disordered }) => disordered),
    ];
    return `| ${title} (\`${name}\`) | ${all.length} | ${counts.map((n) => n.toLocaleString('en')).join(' | ')} | ${recovery} |`;
  });
  return [
    '| drill | runs | messages sent | lost | repeated | out of order | seconds to recover: median (highest) |',
    '|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function write(outcomes: Map<Drill, Outcome[]>): void {
  const machine = `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB`;
  const runs = Math.max(...[...outcomes.values()].map(({ length }) => length));
  const date = new Date().toISOString().slice(0, 10);
  const text = `${table(outcomes)}\n\nMade by \`npm run drills -- --runs ${runs}\` on ${date}, on a machine of ${machine}.\n`;
  writeFileSync(RESULTS, text);
  const readme = readFileSync(README, 'utf8');
  const marked = /(<!-- drills -->\n).*(<!-- end of drills -->)/s;
  writeFileSync(
    README,
    readme.replace(marked, (_, begin, end) => `${begin}${text}${end}`),
  );
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

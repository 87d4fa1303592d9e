/**
 * `npm run drills`: breaks running Compose stacks in every way that the docs name, and counts the messages.
 *
 *     npm run drills -- [NAME ...] [--runs N] [--labs N] [--short]
 *
 * Each lab is a stack of its own; they take the drills in turn. It ends with a table; all the drills in their full
 * form write it to docs/drills.md, and its sums to the README.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Drill, drills } from './drills';
import { demand, Lab, type Outcome } from './lab';

const ROOT = join(__dirname, '..', '..');
const TABLE = join(ROOT, 'docs', 'drills.md');
const README = join(ROOT, 'README.md');
const LOGS = join(tmpdir(), 'kafka-consumers-demo-drills');

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '1' },
      labs: { type: 'string', default: String(Math.min(cpus().length, 4)) },
      short: { type: 'boolean', default: false },
    },
  });
  for (const option of ['runs', 'labs'] as const)
    demand(
      /^[1-9]\d*$/.test(values[option]),
      `--${option} is ${values[option]}: a whole number from 1 is needed`,
    );
  const { short } = values;
  const runs = Number(values.runs);
  const names = drills.map(({ name }) => name);
  const unknown = positionals.find((name) => !names.includes(name));
  demand(unknown === undefined, `${unknown} is no drill: choose of ${names.join(', ')}`);
  const chosen = drills.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

  const outcomes = new Map<Drill, Outcome[]>(chosen.map((drill) => [drill, []]));
  const due = Array.from({ length: runs }, (_, index) =>
    chosen.map((drill) => ({ drill, run: index + 1 })),
  ).flat();
  const labs = Array.from(
    { length: Math.min(Number(values.labs), due.length) },
    (_, index) => new Lab(index + 1),
  );
  const closeAll = () => Promise.all(labs.map((lab) => lab.close()));
  process.once('SIGINT', () => {
    due.length = 0;
    closeAll().finally(() => process.exit(130));
  });
  let failures = 0;

  const work = async (lab: Lab) => {
    await lab.reset();
    for (let next = due.shift(); next !== undefined; next = due.shift()) {
      const { drill, run } = next;
      const start = performance.now();
      const report = (what: string) => {
        const took = ((performance.now() - start) / 1000).toFixed(0);
        console.log(`${drill.name} (run ${run} of ${runs}): ${what}; ${took} s`);
      };
      try {
        const outcome = await drill.run(lab, short);
        outcomes.get(drill)?.push(outcome);
        demand(outcome.repeated <= drill.repeats, `more than ${drill.repeats} repeats: ${line(outcome)}`);
        demand(outcome.lost === 0 && outcome.disordered === 0, line(outcome));
        report(line(outcome));
      } catch (error) {
        failures++;
        const file = join(LOGS, `${drill.name}-${run}.log`);
        // Of a command that failed, what it said last is the reason.
        const reason = (error as Error).message.trim().split('\n').at(-1);
        report(`FAILED in lab ${lab.number}: ${reason}; its logs: ${file}`);
        mkdirSync(LOGS, { recursive: true });
        await lab.saveLogs(file);
        await lab.reset();
      }
    }
  };
  try {
    await labs[0]?.compose('build');
    await Promise.all(labs.map(work));
  } finally {
    await closeAll();
  }
  console.log(`\n${table(outcomes)}`);
  demand(failures === 0, `${failures} failed`);
  if (chosen.length === drills.length && !short) write(outcomes, runs, labs.length);
}

function line({ sent, lost, repeated, disordered, seconds }: Outcome): string {
  const recovery = seconds === undefined ? '' : `, recovered in ${seconds.toFixed(1)} s`;
  return `${sent} sent, ${lost} lost, ${repeated} repeated, ${disordered} out of order${recovery}`;
}

type Count = 'sent' | 'lost' | 'repeated' | 'disordered';

function sum(outcomes: readonly Outcome[], count: Count): string {
  return outcomes.reduce((total, outcome) => total + outcome[count], 0).toLocaleString('en');
}

/** In Markdown: the sums over all runs, and of the seconds the median and the highest. */
function table(outcomes: Map<Drill, Outcome[]>): string {
  const rows = [...outcomes].map(([{ name, title }, all]) => {
    const seconds = all.flatMap((outcome) => outcome.seconds ?? []).sort((a, b) => a - b);
    const median = seconds[Math.floor(seconds.length / 2)];
    const recovery = median === undefined ? '–' : `${median.toFixed(1)} (${seconds.at(-1)?.toFixed(1)})`;
    const counts = (['sent', 'lost', 'repeated', 'disordered'] as const).map((count) => sum(all, count));
    return `| ${title} (\`${name}\`) | ${all.length} | ${counts.join(' | ')} | ${recovery} |`;
  });
  return [
    '| drill | runs | messages sent | lost | repeated | out of order | seconds to recover: median (highest) |',
    '|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function write(outcomes: Map<Drill, Outcome[]>, runs: number, labs: number): void {
  const command = `npm run drills -- --runs ${runs} --labs ${labs}`;
  const machine = `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB`;
  const made = `Made by \`${command}\` on ${new Date().toISOString().slice(0, 10)}, on a machine of ${machine}.`;
  writeFileSync(TABLE, `# The drills\n\n${table(outcomes)}\n\n${made}\n`);
  const all = [...outcomes.values()].flat();
  const sums = `${sum(all, 'sent')} messages sent, ${sum(all, 'lost')} lost, ${sum(all, 'disordered')} out of order`;
  const marked = /(<!-- drills -->\n).*(<!-- end of drills -->)/s;
  const said = `${outcomes.size} drills, ${runs} times each: ${sums} ([docs/drills.md](docs/drills.md)).\n`;
  const readme = readFileSync(README, 'utf8');
  writeFileSync(
    README,
    readme.replace(marked, (_, begin, end) => `${begin}${said}${end}`),
  );
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

/**
 * `npm run drills`: breaks running Compose stacks in every way that the docs name, and counts the messages.
 *
 *     npm run drills -- [NAME ...] [--brokers 1|3] [--runs N] [--labs N] [--short]
 *
 * Each lab is a stack of its own; they take the drills in turn, one beside others where the cores rest. It ends with a
 * table; all the drills of one number of brokers, in their full form, write it to docs/drills.md, and the sums there to
 * the README.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { coresRest } from '../../harness/cores';
import { progress, say } from '../../harness/progress';
import { type Brokers, SIZES } from './brokers';
import { onThreeBrokers } from './cluster';
import type { Drill } from './drill';
import { onOneBroker } from './drills';
import { demand, Lab, type Outcome } from './lab';
import { type Outcomes, table, withSums, withTable } from './table';

const drills = [...onOneBroker, ...onThreeBrokers];

const ROOT = join(__dirname, '..', '..');
const PAGE = join(ROOT, 'docs', 'drills.md');
const README = join(ROOT, 'README.md');
const LOGS = join(tmpdir(), 'kafka-consumers-demo-drills');

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      brokers: { type: 'string' },
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
  const { brokers, short } = values;
  demand(
    brokers === undefined || SIZES.map(String).includes(brokers),
    `--brokers is ${brokers}: ${SIZES.join(' or ')} is needed`,
  );
  const runs = Number(values.runs);
  const names = drills.map(({ name }) => name);
  const unknown = positionals.find((name) => !names.includes(name));
  demand(unknown === undefined, `${unknown} is no drill: choose of ${names.join(', ')}`);
  const chosen = drills
    .filter(({ name }) => positionals.length === 0 || positionals.includes(name))
    .filter((drill) => brokers === undefined || drill.brokers === Number(brokers));

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

  // Beside other drills only where the cores rest. With other brokers a lab starts over: it goes on with those that it
  // has for as long as it can.
  const take = async (lab: Lab) => {
    now.delete(lab);
    while (now.size > 0 && due.length > 0) if (await coresRest()) break;
    const index = due.findIndex(({ drill }) => drill.brokers === lab.size);
    return due.splice(Math.max(0, index), 1)[0];
  };
  const total = due.length;
  const now = new Map<Lab, string>();
  const work = async (lab: Lab) => {
    await lab.reset();
    for (let next = await take(lab); next !== undefined; next = await take(lab)) {
      const { drill, run } = next;
      now.set(lab, drill.name);
      const start = performance.now();
      const report = (what: string) => {
        const took = ((performance.now() - start) / 1000).toFixed(0);
        say(`${drill.name} (run ${run} of ${runs}): ${what}; ${took} s`);
      };
      try {
        await lab.standOn(drill.brokers);
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
  const shown = progress(() => {
    const done = total - due.length - now.size;
    return `${done} of ${total} drills, ${failures} failed; now ${[...now.values()].join(', ') || 'the images'}`;
  });
  try {
    await labs[0]?.compose('build');
    await Promise.all(labs.map(work));
  } finally {
    shown.end();
    await closeAll();
  }
  console.log(`\n${table(outcomes)}`);
  demand(failures === 0, `${failures} failed`);
  if (short) return;
  for (const size of SIZES) {
    const all = drills.filter((drill) => drill.brokers === size);
    if (all.every((drill) => chosen.includes(drill)))
      write(size, new Map([...outcomes].filter(([{ brokers }]) => brokers === size)), runs, labs.length);
  }
}

function line({ sent, lost, repeated, disordered, seconds }: Outcome): string {
  const recovery = seconds === undefined ? '' : `, recovered in ${seconds.toFixed(1)} s`;
  return `${sent} sent, ${lost} lost, ${repeated} repeated, ${disordered} out of order${recovery}`;
}

function write(brokers: Brokers, outcomes: Outcomes, runs: number, labs: number): void {
  const command = `npm run drills -- --brokers ${brokers} --runs ${runs} --labs ${labs}`;
  const machine = `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB`;
  const made = `Made by \`${command}\` on ${new Date().toISOString().slice(0, 10)}, on a machine of ${machine}.`;
  writeFileSync(PAGE, withTable(readFileSync(PAGE, 'utf8'), brokers, outcomes, made));
  writeFileSync(README, withSums(readFileSync(README, 'utf8'), readFileSync(PAGE, 'utf8')));
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

/**
 * Runs test files side by side, each in a process of its own, and prints the tests of each file when it ends.
 *
 *     node -r ./compiled test/run.ts FOLDER [NAME ...] [--at-once N]
 *
 * As many at once as there are cores, and more where these rest, N at most. With names, the files of these alone:
 * `npm run integration -- log delivery`. It ends as Node's runner does, with the numbers of tests, and with the exit
 * code 1 where one failed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { totalmem } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { CORES, coresRest } from '../harness/cores';
import { clock, progress, say } from '../harness/progress';
import { SharedBroker } from './support/shared_broker';

const ENDING = '.test.ts';
const COUNTS = ['tests', 'pass', 'fail', 'cancelled', 'skipped', 'todo'] as const;

/** The result of one test among the lines that a file prints. */
const TEST = /^ *[✔✖﹣] /;

/** Of the error of a failed test, so many lines of its beginning and of its end come again at the very end. */
const REASON_LINES = 12;

/** Those that take longest, the longest first: so none of them is alone at the end. */
const LONG = [
  ...'local cluster experiments log group held_up delivery'.split(' '),
  ...'memory secure access consumers view_cluster view network refused'.split(' '),
];

/** A file may have three brokers, of half a GB each. */
const AT_MOST = Math.max(1, Math.min(4 * CORES, Math.floor(totalmem() / 1.5e9)));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'at-once': { type: 'string', default: String(AT_MOST) } },
});
const [folder = '', ...names] = positionals;
const begin = performance.now();
const due = filesOf(folder, names);
const total = due.length;
const shared = new SharedBroker();
const running = new Map<string, ChildProcess>();
const counts = new Map<string, number>(COUNTS.map((name) => [name, 0]));
/** Each file that failed, and what its tests say of it. */
const failed = new Map<string, string>();
let tests = 0;

const shown = progress(whereItIs);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    due.length = 0;
    process.exitCode = 1;
    for (const child of running.values()) child.kill(signal);
  });
runAll(Number(values['at-once'])).then(end);

/** @throws Error of one line where there is no such file */
function filesOf(folder: string, names: readonly string[]): string[] {
  const all = readdirSync(folder).filter((name) => name.endsWith(ENDING));
  const unknown = names.find((name) => !all.includes(name + ENDING));
  if (unknown) throw new Error(`${unknown} is no test of ${folder}: choose of ${all.map(nameOf).join(', ')}`);
  const chosen = names.length > 0 ? names.map((name) => name + ENDING) : all;
  // What is not among them comes after them: as an unsigned number, -1 is the largest.
  const rank = (file: string) => LONG.indexOf(nameOf(file)) >>> 0;
  return chosen.sort((one, other) => rank(one) - rank(other)).map((name) => join(folder, name));
}

function nameOf(file: string): string {
  return basename(file, ENDING);
}

async function runAll(most: number): Promise<void> {
  const ends = new Set<Promise<void>>();
  while (due.length > 0) {
    if (running.size >= most) await Promise.race(ends);
    else if (running.size < CORES || (await Promise.race([coresRest(), ...ends]))) {
      const file = due.shift();
      // None is left where all was ended in the meantime.
      const end = file ? run(file) : Promise.resolve();
      ends.add(end);
      end.then(() => ends.delete(end));
    }
  }
  await Promise.all(ends);
}

function run(file: string): Promise<void> {
  const start = performance.now();
  const child = spawn(process.execPath, ['-r', './compiled', '--test-reporter=spec', file], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  shared.serve(child);
  running.set(file, child);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      tests += text.split('\n').filter((line) => TEST.test(line)).length;
    });
  return new Promise((resolve) =>
    child.once('close', (code) => {
      running.delete(file);
      const [log = '', summary = ''] = output.split(/^(?=ℹ tests )/m);
      for (const name of COUNTS) {
        const count = Number(new RegExp(`^ℹ ${name} (\\d+)$`, 'm').exec(summary)?.[1] ?? 0);
        counts.set(name, (counts.get(name) as number) + count);
      }
      if (code !== 0) failed.set(file, reasons(summary || log));
      // One that could not run to its end has no numbers.
      if (code !== 0 && !summary) counts.set('fail', (counts.get('fail') as number) + 1);
      say(`${log.trimEnd()}\n${file} took ${clock(performance.now() - start)}\n`);
      if (code !== 0) say(summary);
      resolve();
    }),
  );
}

/** Of each failed test its name, and the first lines of its error: of many the ends, for both say something. */
function reasons(summary: string): string {
  const [, ...tests] = summary.split(/^(?=test at )/m);
  return (tests.length > 0 ? tests : [summary])
    .map((test) => {
      const lines = test.split('\n').filter((line) => line.trim() && !/^ +at .*\(?node:/.test(line));
      const left = lines.length - 2 * REASON_LINES;
      if (left > 0) lines.splice(REASON_LINES, left, `  (${left} lines more above)`);
      return lines.join('\n');
    })
    .join('\n');
}

function whereItIs(): string {
  const done = total - due.length - running.size;
  const now = [...running.keys()].map(nameOf).join(', ');
  const left = due.length > 0 ? `; left ${due.map(nameOf).join(', ')}` : '';
  return `${done} of ${total} files, ${tests} tests done; now ${now}${left}`;
}

async function end(): Promise<void> {
  shown.end();
  await shared.stop();
  for (const [name, count] of counts) console.log(`# ${name} ${count}`);
  console.log(`# duration_ms ${Math.round(performance.now() - begin)}`);
  // Once more, where whoever reads the end of a long log finds it.
  for (const [file, why] of failed) console.log(`FAILED: ${file}\n${why}`);
  process.exitCode = failed.size > 0 ? 1 : 0;
}

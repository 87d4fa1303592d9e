/**
 * Records what the README shows, on Docker: sample_consumer.log, a first run of the demo from its start to Ctrl-C, with
 * its picture docs/timeline.svg; and of each experiment the whole output, docs/samples/NAME.log, of which the README gets
 * the lines that it has.
 *
 *     npm run sample [-- NAME ...]
 *
 * With names, these only: of experiments, or sample_consumer.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { buildAndRun, compose, copyProject, removeDemo, startDemo } from '../harness/compose';
import {
  type Experiment,
  excerpt,
  experimentsOf,
  follow,
  ON_THREE,
  QUOTING,
  quote,
  quotesOf,
  Reading,
  rewrite,
  SAMPLES,
  TEXTS,
} from '../harness/experiments';
import { received } from '../harness/log';
import { progress, say } from '../harness/progress';
import { until } from '../harness/service';
import { timeline } from './timeline';

const ROOT = join(__dirname, '..');
const FIRST_RUN = 'sample_consumer';
/** So many messages of the newest consumer make about half a minute of log. */
const LONG_ENOUGH = 20;

async function main(names: readonly string[]): Promise<void> {
  const texts = TEXTS.map((name) => join(ROOT, name));
  const experiments = texts.flatMap((file) =>
    experimentsOf(readFileSync(file, 'utf8')).map((experiment) => ({ file, ...experiment })),
  );
  const known = [FIRST_RUN, ...experiments.map(({ slug }) => slug)];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown) throw new Error(`${unknown} is not recorded: choose of ${known.join(', ')}`);
  const chosen = (name: string) => names.length === 0 || names.includes(name);
  const due = known.filter(chosen);
  const folder = copyProject();
  removeDemo(folder);
  const shown = progress(() => `now ${due[0] ?? 'the end'}; left ${due.slice(1).join(', ') || 'none'}`);
  const recorded = (what: string) => {
    due.shift();
    say(`Recorded: ${what}`);
  };
  try {
    if (chosen(FIRST_RUN)) {
      await recordFirstRun(folder);
      recorded('sample_consumer.log');
    }
    let running: string[] | undefined;
    for (const { file, ...experiment } of experiments) {
      if (!chosen(experiment.slug)) continue;
      const args = file.endsWith(ON_THREE) ? ['--cluster'] : [];
      if (running?.join() !== args.join()) await startDemo(folder, args);
      running = args;
      const run = await record(folder, experiment);
      writeFileSync(file, rewrite(readFileSync(file, 'utf8'), run));
      recorded(run.title);
    }
  } finally {
    shown.end();
    removeDemo(folder);
    rmSync(folder, { recursive: true });
  }
}

/** Records half a minute, or as long as it takes until it shows what the README quotes. */
async function recordFirstRun(folder: string): Promise<void> {
  const pages = QUOTING.map((name) => join(ROOT, name));
  const texts = pages.map((page) => readFileSync(page, 'utf8'));
  const stack = buildAndRun(folder);
  const isLong = () => received(stack.of('consumer_from_newest')).length >= LONG_ENOUGH;
  // With a batch in the making, which Ctrl-C cuts short.
  const inHand = () =>
    (received(stack.of('consumer_from_newest')).at(-1)?.last ?? 0) -
    (received(stack.of('consumer_batch_message')).at(-1)?.last ?? 0);
  const beforeTheEnd = texts
    .flatMap(quotesOf)
    .map((lines) => lines.filter((line) => !line.includes('stopping)')));
  const isComplete = () =>
    beforeTheEnd.every((lines) => lines.length === 0 || new Reading().find(lines, stack.lines));
  await until('what the README quotes', () => isLong() && inHand() > 1 && isComplete());
  await stack.pressCtrlC();
  compose(folder, 'down', '--volumes');
  // What Compose itself says goes before the first line of a service; and it moves the cursor as services end.
  const log = stack.lines
    .slice(stack.lines.findIndex((line) => line.includes(' | ')))
    .map((line) => stripVTControlCharacters(line).trimEnd())
    .filter(Boolean);
  const quoted = texts.flatMap((text) => quote(text, log) ?? []);
  writeFileSync(join(ROOT, 'sample_consumer.log'), `${log.join('\n')}\n`);
  writeFileSync(join(ROOT, 'docs', 'timeline.svg'), timeline(log));
  if (quoted.length < pages.length)
    throw new Error('The run did not show what the README quotes: record it again');
  for (const [index, page] of pages.entries()) writeFileSync(page, quoted[index] as string);
}

async function record(folder: string, { title, slug, steps }: Experiment): Promise<Experiment> {
  const reading = new Reading();
  const log = [`# ${title}`];
  const shown: Experiment = { title, slug, steps: [] };
  for (const step of steps) {
    const { printed, at } = await follow(folder, step, reading);
    const typed = step.commands.trimEnd().split('\n');
    log.push('', ...typed.map((line) => `$ ${line}`), ...printed.map((line) => line.trimEnd()));
    shown.steps.push({ ...step, lines: excerpt(printed, at) });
  }
  mkdirSync(join(ROOT, SAMPLES), { recursive: true });
  writeFileSync(join(ROOT, SAMPLES, `${slug}.log`), `${log.join('\n')}\n`);
  return shown;
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

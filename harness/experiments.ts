/**
 * The README's experiments: their commands, the lines that a recorded run of them printed, and whether another run
 * shows the same. `npm run sample` records them; the end-to-end tests run them.
 */
import { spawn } from 'node:child_process';
import { docker } from './compose';
import { Recorded } from './service';

export interface Step {
  commands: string;
  /** Lines that a run printed; LEFT_OUT between those that did not follow on one another. */
  lines: string[];
}

export interface Experiment {
  /** The question. */
  title: string;
  /** Names the recording, docs/samples/SLUG.log; the heading's anchor too. */
  slug: string;
  steps: Step[];
}

export const LEFT_OUT = '⋮';
/** The files that have experiments; that of the last runs on three brokers. */
export const ON_THREE = 'docs/several-brokers.md';
export const TEXTS = ['README.md', 'docs/experiments.md', ON_THREE];
/** The files that quote sample_consumer.log. */
export const QUOTING = ['README.md', 'docs/broker-lines.md'];
/** The folder of the recordings. */
export const SAMPLES = 'docs/samples';

const STEP = /```sh\n(.*?)```\n```text\n(.*?)```/gs;

/** Of each heading that has steps. */
export function experimentsOf(text: string): Experiment[] {
  return text.split(/\n##+ /).flatMap((section) => {
    const title = section.slice(0, section.indexOf('\n'));
    const steps = [...section.matchAll(STEP)].map(([, commands = '', lines = '']) => ({
      commands,
      lines: lines.trimEnd().split('\n'),
    }));
    return steps.length > 0 ? [{ title, slug: slugOf(title), steps }] : [];
  });
}

/** The anchor that GitHub gives a heading. */
export function slugOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

/** The text with other lines beneath the same commands. */
export function rewrite(text: string, { title, steps }: Experiment): string {
  let from = text.indexOf(`# ${title}\n`);
  return steps.reduce((result, { commands, lines }) => {
    const head = `\`\`\`sh\n${commands}\`\`\`\n\`\`\`text\n`;
    const at = result.indexOf(head, from);
    if (at < 0)
      throw new Error(`The text has changed meanwhile, and no longer has the commands: ${commands}`);
    const start = at + head.length;
    from = start;
    return `${result.slice(0, start)}${lines.join('\n')}\n${result.slice(result.indexOf('```', start))}`;
  }, text);
}

const QUOTE = /(?<=^( *)```log\n)(.*?)(?=^ *```)/gms;

/** What the text quotes of a log: its lines, block by block. */
export function quotesOf(text: string): string[][] {
  return [...text.matchAll(QUOTE)].map(([block, indent = '']) =>
    block.split('\n').flatMap((line) => (line ? [line.slice(indent.length)] : [])),
  );
}

/** The text with its quotes from another log. Undefined where that log does not show the same. */
export function quote(text: string, log: readonly string[]): string | undefined {
  const quotes = quotesOf(text).map((lines) => excerpt(log, new Reading().find(lines, log) ?? []));
  if (quotes.some(({ length }) => length === 0)) return undefined;
  return text.replace(QUOTE, (_, indent) =>
    (quotes.shift() as string[]).map((line) => `${indent}${line}\n`).join(''),
  );
}

/** The lines at these places, with LEFT_OUT where others are between them. */
export function excerpt(log: readonly string[], places: readonly number[]): string[] {
  return places.flatMap((place, index) => {
    const follows = index === 0 || place === (places[index - 1] as number) + 1;
    return [...(follows ? [] : [LEFT_OUT]), (log[place] as string).trimEnd()];
  });
}

/** What a line may have instead, and still show the same: the first of these that fits; any other text is as it is. */
const TOKENS: readonly (readonly [RegExp, (found: string) => string])[] = [
  // One and the same message, or member, is that in the run too.
  [/\{"current_time":"[^"]*"\} \(partition \d+, offset 0/, (found) => bound(messageWith('0'), found)],
  [
    /\{"current_time":"[^"]*"\} \(partition \d+, offset \d+/,
    (found) => bound(messageWith(String.raw`\d+`), found),
  ],
  [/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/, (found) => bound('[0-9a-f-]{36}', found)],
  [/\d{4}(?:-\d\d){2} \d\d(?::\d\d){2},\d{3}/, () => String.raw`\d{4}(?:-\d\d){2} \d\d(?::\d\d){2},\d{3}`],
  // Of a batch the number of messages is what counts where it is full.
  [/\[\{.*\}(?:, … \d+ more)?\](?= \()/, () => String.raw`\[\{.*\}.*\]`],
  [/\d+ messages?(?=.*(?:waited|stopping))/, () => String.raw`\d+ messages?`],
  [/offsets? 0(?:-\d+)?/, () => 'offsets? 0(?:-\\d+)?'],
  [/offsets? \d+(?:-\d+)?/, () => String.raw`offsets? \d+(?:-\d+)?`],
  [/(?<=committed by .*)partition \d+/, () => String.raw`partition \d+`],
  [/partition \d+/, (found) => found],
  // Fresh, or from the past; waited as long, by the first digit.
  [/\d+ ms old/, () => String.raw`\d+ ms old`],
  [/(?:\d+\.\d s|\d+ (?:min|h|d)) old/, () => String.raw`(?:\d+\.\d s|\d+ (?:min|h|d)) old`],
  [/waited \d+ ms/, (found) => `${found.slice(0, 8)}\\d{${found.length - 11}} ms`],
  [/\d+ messages?/, (found) => found],
  [/\d+(?:\.\d)? (?:ms|s|min|h)\b/, () => String.raw`\d+(?:\.\d)? (?:ms|s|min|h)`],
  [/\b\d+(?:\.\d+){3}\b/, () => String.raw`\d+(?:\.\d+){3}`],
  [/\b[0-9a-f]{8}\b/, () => '[0-9a-f]{8}'],
  // The reason is as the system says it.
  [/(?<=Broker lost: ).*(?=; trying)/, () => '.*'],
  // Who leads which partition is up to Kafka.
  [/(?<=Partition: )\d/, (found) => found],
  [/(?<=(?:Replicas|Isr): )[\d,]+/, (found) => found.replace(/\d/g, '\\d')],
  // In a table: what is large may be what matters.
  [/(?<=\s)\d(?=\s|$)/, () => String.raw`\d+`],
  [/(?<=\s)\d+(?=\s|$)/, () => String.raw`[1-9]\d*`],
  [/\s+/, () => String.raw`\s+`],
];
const TOKEN = new RegExp(TOKENS.map(([{ source }]) => `(${source})`).join('|'), 'g');

const messageWith = (offset: string) =>
  String.raw`\{"current_time":"[^"]*"\} \(partition \d+, offset ${offset}`;

/** A group named for the text that it stands for. */
const bound = (pattern: string, found: string) => `(?<_${Buffer.from(found).toString('hex')}>${pattern})`;

function patternOf(line: string): RegExp {
  let pattern = '';
  let end = 0;
  for (const match of line.trimEnd().matchAll(TOKEN)) {
    const kind = match.slice(1).findIndex((group) => group !== undefined);
    pattern += literal(line.slice(end, match.index)) + TOKENS[kind]?.[1](match[0]);
    end = match.index + match[0].length;
  }
  return new RegExp(`^${pattern}${literal(line.trimEnd().slice(end))}\\s*$`);
}

const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Finds the text's lines in those of a run: one of these for each experiment, which learns what stands for what. */
export class Reading {
  private meant: ReadonlyMap<string, string> = new Map();

  /** Where in the run the lines are, in their order; undefined where not all of them are there. */
  find(lines: readonly string[], run: readonly string[]): number[] | undefined {
    const wanted = lines.filter((line) => line !== LEFT_OUT);
    // What the first line may be, the others need not fit: then it is another.
    for (let first = 0; first < run.length; first++) {
      const found = this.findFrom(first, wanted, run);
      if (found === undefined) return undefined;
      if (found.length === wanted.length) return found;
      first = found[0] as number;
    }
    return undefined;
  }

  /** Where the first of the lines are; undefined where not even one is. */
  private findFrom(start: number, wanted: readonly string[], run: readonly string[]): number[] | undefined {
    const found: number[] = [];
    const meant = new Map(this.meant);
    let before: { text: number; run: number } | undefined;
    let from = start;
    for (const line of wanted) {
      const pattern = patternOf(line);
      const age = ageOf(line);
      const at = run.findIndex((shown, index) => {
        const match = index >= from && pattern.exec(shown);
        if (!match) return false;
        const names = Object.entries(match.groups ?? {});
        if (names.some(([name, value]) => (meant.get(name) ?? value) !== value)) return false;
        // An age that grows in the text grows in the run.
        if (before && age >= GROWTH * before.text && ageOf(shown) < GROWTH * before.run) return false;
        for (const [name, value] of names) meant.set(name, value);
        return true;
      });
      if (at < 0) return found.length > 0 ? found : undefined;
      found.push(at);
      from = at + 1;
      before = Number.isNaN(age) ? undefined : { text: age, run: ageOf(run[at] as string) };
    }
    this.meant = meant;
    return found;
  }
}

/** A growth by less may be chance. */
const GROWTH = 1.5;

/** In seconds; NaN where the line has none. */
function ageOf(line: string): number {
  const [, number, unit = ''] = /([\d.]+) (ms|s|min|h|d) old/.exec(line) ?? [];
  const SECONDS: Record<string, number> = { ms: 0.001, s: 1, min: 60, h: 3600, d: 86_400 };
  return Number(number) * (SECONDS[unit] ?? Number.NaN);
}

/**
 * Without a terminal, Compose may lose the Ctrl-C that it is to hand on to what `run --rm` has started: it takes it for
 * the end of its own work, too (2.40.3).
 */
function stopWhatWasRun(): void {
  const running = docker('ps', '--quiet', '--filter', 'label=com.docker.compose.oneoff=True');
  for (const container of running.split('\n').filter(Boolean))
    try {
      const isForOnce = docker('inspect', '--format', '{{.HostConfig.AutoRemove}}', container) === 'true';
      if (isForOnce) docker('stop', container);
    } catch {
      // It has ended meanwhile.
    }
}

/**
 * Types the commands in the folder, and ends the last one with Ctrl-C once it has shown the lines.
 *
 * @param env of the shell; one of its own where `docker` is that of the demo without Docker
 * @returns all that it printed, and where the lines are in it
 */
export async function follow(
  folder: string,
  { commands, lines }: Step,
  reading: Reading,
  env: NodeJS.ProcessEnv = process.env,
) {
  const shell = spawn('bash', ['-e', '-c', commands], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const run = new Recorded(shell);
  let hasEnded = false;
  run.exit.then(() => {
    hasEnded = true;
  });
  let at: number[] | undefined;
  try {
    await run.shows(lines.join('\n'), (printed) => {
      const isAll = hasEnded;
      at = reading.find(lines, printed);
      if (isAll && !at) throw new Error(`The commands have ended without: ${lines.join('\n')}`);
      return at !== undefined;
    });
  } finally {
    if (shell.exitCode === null) {
      process.kill(-(shell.pid as number), 'SIGINT');
      await run.exit;
    }
    if (env === process.env) stopWhatWasRun();
  }
  return { printed: run.lines, at: at ?? [] };
}

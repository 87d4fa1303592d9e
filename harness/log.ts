/** Reads the lines of the services back: what was sent, what was received, where a consumer began. */
import { stripVTControlCharacters } from 'node:util';

export interface Sent {
  value: string;
  partition: number;
  offset: number;
}

export interface Received {
  /** As printed; of a batch, at most ten. */
  values: string[];
  partition: number;
  first: number;
  last: number;
  messages: number;
  /** Of a batch: `full`, `waited` or `stopping`. */
  ending?: string;
}

export interface Start {
  offset: number;
  partition: number;
  /** `earliest`, `latest`, or `committed` where the group resumes. */
  from: string;
}

/** The line of one service in the log of Compose or of the local runner; undefined where it is another's. */
export function lineOf(service: string, line: string): string | undefined {
  const [, name, text] = /^(\S+) +\| (.*)$/.exec(line) ?? [];
  return name === service ? text : undefined;
}

/** The lines in the order of time, without colours: where Docker has put its timestamps, these are taken off. */
export function chronological(lines: readonly string[]): string[] {
  const stamp = /(?<=^\S+ +\| )\d{4}-\d{2}-\d{2}T[\d:.]+Z /;
  return lines
    .map((line) => stripVTControlCharacters(line))
    .map((line) => ({ time: stamp.exec(line)?.[0] ?? '', line: line.replace(stamp, '') }))
    .sort((one, other) => (one.time < other.time ? -1 : Number(one.time > other.time)))
    .map(({ line }) => line);
}

const SENT = /^Sent: (.*) \(partition (\d+), offset (\d+)\)$/;
const AGE = String.raw`(\d+ ms|\d+\.\d s|\d+ min|\d+ h|\d+ d) old|age unknown`;
const ONE = new RegExp(String.raw`^Received: (\{.*\}) \(partition (\d+), offset (\d+), (?:${AGE})\)$`);
const BATCH = new RegExp(
  String.raw`^Received: \[(.*?)(?:, … (\d+) more)?\] \((\d+) messages?, partition (\d+), offsets? (\d+)(?:-(\d+))?, (?:up to ${AGE}), (full|waited|stopping)(?: (\d+) ms| at \d+ MB)?\)$`,
);
const START = /^Starting at offset (\d+) \((earliest|latest), partition (\d+)\)$/;
const RESUME = /^Resuming at offset (\d+) \(committed by group \S+, partition (\d+)\)$/;
const SKIPPED = /^Skipped: .* \(partition (\d+), offset (\d+), [^)]*\)$/;
const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };

export function sent(lines: readonly string[]): Sent[] {
  return lines.flatMap((line) => {
    const match = SENT.exec(line);
    return match
      ? [{ value: match[1] as string, partition: Number(match[2]), offset: Number(match[3]) }]
      : [];
  });
}

export function received(lines: readonly string[]): Received[] {
  return lines.flatMap((line) => {
    const one = ONE.exec(line);
    if (one) {
      const offset = Number(one[3]);
      return [
        { values: [one[1] as string], partition: Number(one[2]), first: offset, last: offset, messages: 1 },
      ];
    }
    const batch = BATCH.exec(line);
    if (!batch) return [];
    const first = Number(batch[5]);
    return [
      {
        values: (batch[1] as string).split(/(?<=\}),(?=\{)/),
        partition: Number(batch[4]),
        first,
        last: Number(batch[6] ?? first),
        messages: Number(batch[3]),
        ending: batch[8],
      },
    ];
  });
}

/** Each `current_time` of a line, in ms since 1970 as if it were UTC: good for differences. */
export function timesOf(line: string): number[] {
  return [...line.matchAll(/"current_time"\s*:\s*"(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})"/g)]
    .map(([, day, clock]) => Date.parse(`${day}T${clock}Z`))
    .filter((time) => !Number.isNaN(time));
}

/** How old, in ms, the message of a line was: as printed, so rounded down. */
export function ageOf(line: string): number | undefined {
  const [number, unit] = ONE.exec(line)?.[4]?.split(' ') ?? [];
  return unit === undefined ? undefined : Math.round(Number(number) * (UNIT_MS[unit] as number));
}

/** How long, in ms, the batch of a line waited for further messages. */
export function waitedOf(line: string): number | undefined {
  const waited = BATCH.exec(line)?.[9];
  return waited === undefined ? undefined : Number(waited);
}

export function starts(lines: readonly string[]): Start[] {
  return lines.flatMap((line) => {
    const start = START.exec(line);
    if (start) return [{ offset: Number(start[1]), from: start[2] as string, partition: Number(start[3]) }];
    const resume = RESUME.exec(line);
    return resume ? [{ offset: Number(resume[1]), from: 'committed', partition: Number(resume[2]) }] : [];
  });
}

/** The records that the lines say were skipped, each as `partition:offset`. */
export function skipped(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const match = SKIPPED.exec(line);
    return match ? [`${match[1]}:${match[2]}`] : [];
  });
}

/** Every offset that the lines say was received, in that order; of one partition. Right where no value was skipped. */
export function offsets(lines: readonly string[], partition = 0): number[] {
  return received(lines)
    .filter((one) => one.partition === partition)
    .flatMap(({ first, last }) => range(first, last + 1));
}

/** The whole numbers from `start` up to, not including, `end`. */
export function range(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, index) => start + index);
}

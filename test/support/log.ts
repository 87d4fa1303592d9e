/** Reads the lines of the services back: what was sent, what was received, where a consumer began. */

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

const SENT = /^Sent: (.*) \(partition (\d+), offset (\d+)\)$/;
const ONE =
  /^Received: (\{.*\}) \(partition (\d+), offset (\d+), (?:\d+ ms|\d+\.\d s|\d+ min|\d+ h|\d+ d) old\)$/;
const BATCH =
  /^Received: \[(.*?)(?:, … (\d+) more)?\] \((\d+) messages?, partition (\d+), offsets? (\d+)(?:-(\d+))?, (full|waited|stopping)(?: \d+ ms)?\)$/;
const START = /^Starting at offset (\d+) \((earliest|latest), partition (\d+)\)$/;
const RESUME = /^Resuming at offset (\d+) \(committed by group \S+, partition (\d+)\)$/;

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
        ending: batch[7],
      },
    ];
  });
}

export function starts(lines: readonly string[]): Start[] {
  return lines.flatMap((line) => {
    const start = START.exec(line);
    if (start) return [{ offset: Number(start[1]), from: start[2] as string, partition: Number(start[3]) }];
    const resume = RESUME.exec(line);
    return resume ? [{ offset: Number(resume[1]), from: 'committed', partition: Number(resume[2]) }] : [];
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

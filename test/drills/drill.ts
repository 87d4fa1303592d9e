/** What the drills have in common: what one is, and how one goes that breaks something and sees it recover. */
import { OUR_SERVICES } from '../../harness/compose';
import { until } from '../../harness/service';
import type { Brokers } from './brokers';
import { tickGaps } from './judge';
import { type AllSettings, type Changes, demand, type Lab, type Outcome } from './lab';

export interface Drill {
  name: string;
  /** What is done, for the table. */
  title: string;
  /** On so many. */
  brokers: Brokers;
  /** The most messages that may come again, over all three groups; more is a failure. */
  repeats: number;
  /** @param short leaves out what only repeats or waits longer */
  run(lab: Lab, short: boolean): Promise<Outcome>;
}

/** What one member may get again after it was cut off: 100 messages one by one, or a batch of five. */
export const ONE_BY_ONE = 100;
export const BATCH = 5;
export const EVERY_CONSUMER = ONE_BY_ONE + ONE_BY_ONE + BATCH;

/** A fault that lasts until the messages flow again, or longer. */
export interface Lasting {
  /** When it began, in ms since 1970. */
  since: number;
  /** Puts it right. */
  end(): Promise<unknown>;
}

interface More {
  brokers?: Brokers;
  repeats?: number;
  settings?: AllSettings;
  changes?: Changes;
  /** What is to hold once all consumers have received again. */
  check?: (lab: Lab) => Promise<void>;
}

/** A drill that starts all, breaks something, puts it right, and sees it recover from then on. */
export function fault(
  name: string,
  title: string,
  breakIt: (lab: Lab, short: boolean) => Promise<unknown>,
  more?: More,
): Drill {
  return lastingFault(
    name,
    title,
    async (lab, short) => {
      await breakIt(lab, short);
      return { since: Date.now(), end: async () => undefined };
    },
    more,
  );
}

/** As `fault`, but it recovers while something is broken still, and the seconds are from when that began. */
export function lastingFault(
  name: string,
  title: string,
  begin: (lab: Lab, short: boolean) => Promise<Lasting>,
  { brokers = 1, repeats = EVERY_CONSUMER, settings, changes, check }: More = {},
): Drill {
  const run = async (lab: Lab, short: boolean) => {
    await lab.start(settings, changes);
    const { since, end } = await begin(lab, short);
    const seconds = await lab.recovery(since);
    await end();
    await check?.(lab);
    const verdict = await finishWithEveryTick(lab);
    // What was changed in Kafka itself is not for the next drill.
    if (changes) await lab.reset();
    return { ...verdict, seconds };
  };
  return { name, title, brokers, repeats, run };
}

/**
 * A drill that ends all at once and hard, as a power cut does, and starts it again by one command: at the first try. The
 * seconds are from that command.
 */
export function powerCut(
  name: string,
  title: string,
  { brokers = 1, repeats = EVERY_CONSUMER, settings, atRest = false }: More & { atRest?: boolean },
): Drill {
  const run = async (lab: Lab) => {
    await lab.start(settings);
    if (atRest) await lab.rest();
    await lab.compose('kill');
    const since = Date.now();
    await lab.compose('up', '--detach');
    const seconds = await lab.recovery(since);
    return { ...(await lab.finish()), seconds };
  };
  return { name, title, brokers, repeats: atRest ? 0 : repeats, run };
}

/**
 * As `lab.finish`; the clock went on ticking all the time, and every tick is there, once. That the machine left the
 * producer standing is said, and is none of the drill's failures.
 */
export async function finishWithEveryTick(lab: Lab): Promise<Outcome> {
  // With all put right, too: whom the stop finds held up has messages left.
  await lab.recovery();
  const verdict = await lab.finish();
  const unsent = (await lab.lines('kafka-producer')).find((line) =>
    // The stop may come before an acknowledgement: the tick is in the topic then, which is looked at below.
    /^Stopped with (?!.*: not acknowledged within)/.test(line),
  );
  demand(unsent === undefined, `the producer: ${unsent}`);
  const { stood, wrong } = tickGaps(lab.records, lab.interval);
  demand(wrong.length === 0, `between ticks in the topic are ${wrong.join(', ')} ms`);
  if (stood.length > 0) console.log(`The machine stood still for ${stood.join(', ')} ms`);
  return verdict;
}

/** How many lines of the service are of that kind. */
export async function said(lab: Lab, service: string, kind: RegExp): Promise<number> {
  return (await lab.group(service)).flat().filter((line) => kind.test(line)).length;
}

/** Waits until each of our services has said something of that kind. */
export async function saidTo(lab: Lab, kind: RegExp): Promise<void> {
  for (const service of OUR_SERVICES)
    await until(`${kind} of ${service}`, async () => (await said(lab, service, kind)) > 0);
}

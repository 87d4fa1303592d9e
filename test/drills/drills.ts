/** The drills: each breaks something in the running stack, and what it returns must hold. */
import { randomBytes, randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { buildAndRun } from '../support/compose';
import { received, skipped, starts } from '../support/log';
import { until } from '../support/service';
import { CONSUMERS, type Consumer, demand, docker, exitCode, type Lab, type Outcome } from './lab';

export interface Drill {
  name: string;
  /** What is done, for the table. */
  title: string;
  /** The most messages that may come again, over all three groups; more is a failure. */
  repeats: number;
  /** @param short leaves out what only repeats or waits longer */
  run(lab: Lab, short: boolean): Promise<Outcome>;
}

/** What one member may get again after it was cut off: 100 messages one by one, or a batch of five. */
const ONE_BY_ONE = 100;
const BATCH = 5;
const EVERY_CONSUMER = ONE_BY_ONE + ONE_BY_ONE + BATCH;

/** A drill on Kafka or ZooKeeper: start, break, see it recover. */
function fault(name: string, title: string, breakIt: (lab: Lab, short: boolean) => Promise<void>): Drill {
  const run = async (lab: Lab, short: boolean) => {
    await lab.start();
    await breakIt(lab, short);
    const seconds = await lab.recovery();
    const { records, ...verdict } = await lab.finish();
    // The clock went on ticking all the time, and every tick is there.
    const times = records.map(({ timestamp }) => timestamp).sort((a, b) => a - b);
    const ticks = ((times.at(-1) as number) - (times[0] as number)) / lab.interval + 1;
    demand(times.length === ticks, `of ${ticks} ticks ${times.length} are in the topic`);
    return { ...verdict, seconds };
  };
  return { name, title, repeats: EVERY_CONSUMER, run };
}

export const drills: Drill[] = [
  fault('kafka-restarted', 'Kafka restarted', (lab) => lab.compose('restart', 'kafka').then(() => undefined)),

  fault('kafka-killed', 'Kafka killed; it comes back by itself', (lab) => lab.killJava('kafka')),

  fault('kafka-stopped-in-start', 'Kafka stopped while it starts, then started', async (lab) => {
    await lab.compose('stop', 'kafka');
    await docker('start', 'kafka');
    await sleep(randomInt(200, 4000));
    await lab.compose('stop', 'kafka');
    await docker('start', 'kafka');
  }),

  fault('zookeeper-restarted', 'ZooKeeper restarted', () =>
    docker('restart', 'zookeeper').then(() => undefined),
  ),

  fault('zookeeper-killed', 'ZooKeeper killed; it comes back by itself', (lab) => lab.killJava('zookeeper')),

  fault('kafka-away', 'Kafka away for 60 s', async (lab, short) => {
    await lab.compose('stop', 'kafka');
    await sleep(short ? 15_000 : 60_000);
    await docker('start', 'kafka');
  }),

  {
    name: 'consumers-killed',
    title: 'All three consumers killed at work, and started again',
    repeats: EVERY_CONSUMER,
    async run(lab) {
      await lab.start({ all: { HANDLER_DELAY_MS: 20 } });
      await sleep(randomInt(500, 2500));
      await docker('kill', '--signal', 'KILL', ...CONSUMERS);
      await docker('start', ...CONSUMERS);
      const seconds = await lab.recovery();
      for (const service of await notResumed(lab))
        throw new Error(`${service} did not resume where its group had committed`);
      const { records, ...verdict } = await lab.finish();
      return { ...verdict, seconds };
    },
  },

  {
    name: 'consumers-frozen',
    title: 'All three consumers frozen for 15 s, beyond the session time-out',
    repeats: EVERY_CONSUMER,
    async run(lab) {
      await lab.start();
      for (const consumer of CONSUMERS) await lab.signalNode(consumer, 'SIGSTOP');
      await sleep(15_000);
      for (const consumer of CONSUMERS) await lab.signalNode(consumer, 'SIGCONT');
      const seconds = await lab.recovery();
      const { records, ...verdict } = await lab.finish();
      return { ...verdict, seconds };
    },
  },

  {
    name: 'network-cut',
    title: 'The producer and a consumer cut off the network for 20 s',
    repeats: ONE_BY_ONE,
    async run(lab) {
      await lab.start();
      const cut = ['kafka-producer', CONSUMERS[randomInt(CONSUMERS.length)] as Consumer];
      for (const service of cut) await docker('network', 'disconnect', NETWORK, service);
      await sleep(20_000);
      for (const service of cut) await docker('network', 'connect', '--alias', service, NETWORK, service);
      const seconds = await lab.recovery();
      const { records, ...verdict } = await lab.finish();
      return { ...verdict, seconds };
    },
  },

  {
    name: 'odd-values',
    title: '1,008 odd values between the good ones',
    repeats: 0,
    async run(lab) {
      await lab.start();
      const values = oddValues();
      await write(lab.topic, values);
      await lab.recovery();
      const { records, ...verdict } = await lab.finish(values.length);
      const groups = await lab.groups();
      for (const [index, group] of groups.entries()) {
        const places = group.flatMap(skipped);
        demand(places.length === values.length, `${CONSUMERS[index]} skipped ${places.length}`);
      }
      return verdict;
    },
  },

  {
    name: 'stopped-in-start',
    title: 'Ctrl-C at a random moment of the start, twice',
    repeats: 0,
    async run(lab, short) {
      for (let round = 0; round < (short ? 1 : 2); round++) {
        await lab.compose('stop');
        const stack = buildAndRun(lab.folder);
        await sleep(randomInt(1000, 14_000));
        const { code, signal } = await interrupt(stack);
        demand(code === 130 || signal === 'SIGINT', `it ended with exit code ${code}`);
        const left = await lab.compose('ps', '--quiet', '--status', 'running');
        demand(left === '', `left running: ${left}`);
      }
      // The next start works.
      await lab.start();
      const { records, ...verdict } = await lab.finish();
      return verdict;
    },
  },

  {
    name: 'members-come-and-go',
    title: '500 messages a second, 4 partitions; members join and leave at random',
    // Each coming and going makes the members that stay join anew: the bound is of their number, and checked below.
    repeats: Number.POSITIVE_INFINITY,
    async run(lab, short) {
      await lab.start({
        all: { TOPIC_PARTITIONS: 4, BATCH_SIZE: 50 },
        'kafka-producer': { SEND_INTERVAL_MS: 2 },
      });
      const members: string[] = [];
      const changes = short ? 6 : 12;
      for (let change = 0; change < changes; change++) {
        const leaves = members.length > 3 || (members.length > 0 && randomInt(2) === 0);
        if (leaves) await lab.part(members.splice(randomInt(members.length), 1)[0] as string);
        else {
          const name = `drill-member-${change}`;
          await lab.join(CONSUMERS[change % CONSUMERS.length] as Consumer, name);
          members.push(name);
        }
        await sleep(randomInt(1500));
      }
      const { records, ...verdict } = await lab.finish();
      const bound = changes * EVERY_MEMBER;
      demand(verdict.repeated <= bound, `${verdict.repeated} messages came again, of ${bound} at the most`);
      return verdict;
    },
  },

  {
    name: 'slow-handler',
    title: 'A handler of 12 s, slower than the session time-out and the batch wait',
    // What was in the handlers' hands when the stop did not wait for them, and what they did in the second before.
    repeats: 2 + 2 + BATCH,
    async run(lab) {
      await lab.start({ all: { HANDLER_DELAY_MS: 12_000 }, 'kafka-producer': { SEND_INTERVAL_MS: 1000 } });
      await until('three calls of each handler', async () =>
        (await lab.groups()).every((group) => received(group.flat()).length >= 3),
      );
      for (const group of await lab.groups())
        demand(group.flatMap(starts).length === 1, 'a member was thrown out, and joined again');
      const coordinator = await lab.lines('kafka');
      const thrownOut = coordinator.find(
        (line) => line.includes(lab.topic) && line.includes('on heartbeat expiration'),
      );
      demand(thrownOut === undefined, `a member was thrown out: ${thrownOut}`);
      // They stop within 10 s, with what is in hand not committed: it comes again.
      await lab.compose('stop', ...CONSUMERS);
      for (const consumer of CONSUMERS) {
        demand([0, 1].includes(exitCode(consumer)), `${consumer} ended with exit code ${exitCode(consumer)}`);
        await lab.keep(consumer);
      }
      await lab.keep('kafka-producer');
      await lab.apply({ 'kafka-producer': { SEND_INTERVAL_MS: 1000 } });
      const seconds = await lab.recovery();
      const { records, ...verdict } = await lab.finish();
      return { ...verdict, seconds };
    },
  },

  {
    name: 'topic-deleted',
    title: 'The topic deleted under running services; they make it anew',
    repeats: 0,
    async run(lab) {
      await lab.start();
      await docker(
        ...['exec', 'kafka', 'kafka-topics', '--bootstrap-server', 'kafka:29092'],
        ...['--delete', '--topic', lab.topic],
      );
      const since = (await lab.sent()).length;
      await until('the new topic', async () =>
        (await lab.sent()).slice(since).some(({ offset }) => offset === 0),
      );
      const seconds = await lab.recovery();
      const { records, ...verdict } = await lab.finish(0, sinceLastBeginning);
      return { ...verdict, seconds };
    },
  },

  {
    name: 'buffer-full',
    title: "The producer's buffer of 20 messages filled while Kafka is away",
    repeats: EVERY_CONSUMER,
    async run(lab) {
      await lab.start({ 'kafka-producer': { BUFFER_SIZE: 20 } });
      await lab.compose('stop', 'kafka');
      const full = async () =>
        (await lab.group('kafka-producer')).flat().filter((line) => line.startsWith('Buffer full')).length;
      await until('the buffer full', async () => (await full()) > 0);
      await sleep(2000);
      await docker('start', 'kafka');
      const seconds = await lab.recovery();
      demand((await full()) === 1, `it said so ${await full()} times`);
      const { records, ...verdict } = await lab.finish();
      const gap = Math.max(
        ...records.slice(1).map((one, n) => one.timestamp - (records[n]?.timestamp as number)),
      );
      demand(gap >= 2000, `no tick was skipped: the longest gap is ${gap} ms`);
      return { ...verdict, seconds };
    },
  },
];

const NETWORK = 'kafka-consumers-demo_default';
/** What a change of members may repeat: for each of the three groups' members, at most three, what it has in hand. */
const EVERY_MEMBER = 3 * (ONE_BY_ONE + ONE_BY_ONE + 50);

/** The consumers that did not say, after their last start, that they resume. */
async function notResumed(lab: Lab): Promise<Consumer[]> {
  const lines = await Promise.all(CONSUMERS.map((consumer) => lab.lines(consumer)));
  return CONSUMERS.filter((_, index) => starts(lines[index] as string[]).at(-1)?.from !== 'committed');
}

/** From the line on that shows offset 0 for the last time; with that, and what follows, the new topic begins. */
function sinceLastBeginning(lines: readonly string[]): string[] {
  const last = lines.findLastIndex((line) => /offsets? 0[-,)]/.test(line) && /^(Sent|Received)/.test(line));
  return lines.slice(Math.max(0, last));
}

function interrupt(stack: ReturnType<typeof buildAndRun>) {
  process.kill(-(stack.child.pid as number), 'SIGINT');
  return Promise.race([
    stack.exit,
    sleep(60_000).then((): never => {
      throw new Error('it hangs');
    }),
  ]);
}

/** By another client, on this machine, a few at a time between the good ones. */
async function write(topic: string, values: (string | Buffer | null)[]): Promise<void> {
  const kafka = new Kafka({ brokers: ['localhost:9092'], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  for (let from = 0; from < values.length; from += 50) {
    await producer.send({ topic, messages: values.slice(from, from + 50).map((value) => ({ value })) });
    await sleep(50);
  }
  await producer.disconnect();
}

function oddValues(): (string | Buffer | null)[] {
  const named = [
    null,
    '',
    Buffer.from([0xc3, 0x28, 0xff]),
    '{"current_time":"2026-01-',
    '[1,2,3]',
    '{"current_time":42}',
    `"${'x'.repeat(900_000)}"`,
    '\u001b[2J\u001b]0;title\u0007\u001bc\r\n',
  ];
  const random = Array.from({ length: 1000 }, () => randomBytes(randomInt(1, 200)));
  return [...named, ...random];
}

/** The drills on one broker: each breaks something in the running stack, and what it returns must hold. */
import { randomBytes, randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { OUR_SERVICES, type Stack } from '../../harness/compose';
import { received, skipped, starts } from '../../harness/log';
import { until } from '../../harness/service';
import { BATCH, type Drill, EVERY_CONSUMER, fault, ONE_BY_ONE, powerCut, said, saidTo } from './drill';
import { type Changes, CONSUMERS, type Consumer, demand, type Lab } from './lab';
import { BAD_NETWORK } from './network';

/** A disk for Kafka's data, of so little room that it is full in no time. It lasts as long as a container has it. */
const SMALL_DISK: Changes = {
  services: {
    kafka: { volumes: ['small-disk:/var/lib/kafka/data'] },
    disk: {
      image: 'node:24-bookworm-slim',
      init: true,
      command: 'sleep infinity',
      volumes: ['small-disk:/disk'],
    },
  },
  volumes: {
    'small-disk': { driver_opts: { type: 'tmpfs', device: 'tmpfs', o: 'size=64m,mode=1777' } },
  },
};

export const onOneBroker: Drill[] = [
  fault('kafka-restarted', 'Kafka restarted', (lab) => lab.compose('restart', 'kafka')),

  fault('kafka-killed', 'Kafka killed; it comes back by itself', (lab) => lab.killJava('kafka')),

  powerCut('all-killed-at-work', 'All killed at once, at work, and started again', {}),

  powerCut('all-killed-at-rest', 'All killed at once, with nothing left to handle, and started again', {
    atRest: true,
  }),

  fault('kafka-stopped-in-start', 'Kafka stopped while it starts, then started', async (lab) => {
    await lab.compose('stop', 'kafka');
    await lab.docker('start', 'kafka');
    await sleep(randomInt(200, 4000));
    await lab.compose('stop', 'kafka');
    await lab.docker('start', 'kafka');
  }),

  fault('zookeeper-restarted', 'ZooKeeper restarted', (lab) => lab.docker('restart', 'zookeeper')),

  fault('zookeeper-killed', 'ZooKeeper killed; it comes back by itself', (lab) => lab.killJava('zookeeper')),

  fault('kafka-away', 'Kafka away for 60 s', async (lab, short) => {
    await lab.compose('stop', 'kafka');
    await sleep(short ? 15_000 : 60_000);
    await lab.docker('start', 'kafka');
  }),

  fault(
    'advertised-name-wrong',
    'Kafka advertises `localhost` to other containers, then its name',
    async (lab, short) => {
      const recreateKafka = () => lab.compose('up', '--detach', '--no-deps', 'kafka');
      const advertised = `PLAINTEXT://localhost:29092,PLAINTEXT_HOST://${lab.broker}`;
      lab.configure({}, { services: { kafka: { environment: { KAFKA_ADVERTISED_LISTENERS: advertised } } } });
      await recreateKafka();
      for (const service of OUR_SERVICES)
        await until(
          `a word from ${service}`,
          async () => (await said(lab, service, /^Held up: .*advertised\.listeners/)) > 0,
        );
      await sleep(short ? 5000 : 25_000);
      for (const service of OUR_SERVICES) {
        const held = await said(lab, service, /^Held up: .*advertised\.listeners/);
        demand(held === 1, `${service} said ${held} times that the advertised name is wrong`);
        const turns = await said(lab, service, /^Broker (lost|back)/);
        demand(turns <= 2, `${service} said "lost" and "back" ${turns} times`);
      }
      lab.configure();
      await recreateKafka();
    },
    { check: (lab) => saidTo(lab, /^Going on after /) },
  ),

  fault(
    'disk-full',
    "The disk of Kafka's data full, then freed",
    async (lab, short) => {
      await lab.restartedBy('kafka', () => lab.exec('disk', 'sh', '-c', 'cat /dev/zero >/disk/fill || true'));
      await sleep(short ? 5000 : 20_000);
      await saidTo(lab, /^(Broker lost|Held up): /);
      await lab.exec('disk', 'rm', '/disk/fill');
    },
    { changes: SMALL_DISK, check: (lab) => saidTo(lab, /^(Broker back|Going on) after /) },
  ),

  fault(
    'consumers-killed',
    'All three consumers killed at work, and started again',
    async (lab) => {
      await sleep(randomInt(500, 2500));
      await lab.docker('kill --signal KILL', ...CONSUMERS);
      await lab.docker('start', ...CONSUMERS);
    },
    { settings: { all: { HANDLER_DELAY_MS: 20 } }, check: allHaveResumed },
  ),

  fault(
    'consumers-frozen',
    'All three consumers frozen for 15 s, beyond the session time-out',
    async (lab) => {
      for (const consumer of CONSUMERS) await lab.signalNode(consumer, 'SIGSTOP');
      await sleep(15_000);
      for (const consumer of CONSUMERS) await lab.signalNode(consumer, 'SIGCONT');
    },
  ),

  fault(
    'network-cut',
    'The producer and a consumer cut off the network for 20 s',
    async (lab) => {
      const cut = ['kafka-producer', CONSUMERS[randomInt(CONSUMERS.length)] as Consumer];
      await lab.cutOff(...cut);
      await sleep(20_000);
      await lab.plugIn(...cut);
    },
    { repeats: ONE_BY_ONE },
  ),

  fault(
    'network-raging',
    'Each connection cut at random in the middle of a request or an answer, or silent for good, for 30 s',
    async (lab, short) => {
      await lab.docker('kill --signal USR2', 'network');
      await sleep(short ? 15_000 : 30_000);
      await lab.docker('kill --signal USR2', 'network');
      const endings = await until('the calm', async () =>
        (await lab.lines('network')).map((line) => /^It is calm, after (\d+)/.exec(line)?.[1]).find(Boolean),
      );
      demand(Number(endings) >= 10, `only ${endings} connections were cut`);
    },
    { changes: BAD_NETWORK },
  ),

  {
    name: 'odd-values',
    title: '1,008 odd values between the good ones',
    brokers: 1,
    repeats: 0,
    async run(lab) {
      await lab.start();
      const values = oddValues();
      await write(lab, values);
      await lab.recovery();
      const verdict = await lab.finish(values.length);
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
    brokers: 1,
    repeats: 0,
    async run(lab, short) {
      for (let round = 0; round < (short ? 1 : 2); round++) {
        await lab.compose('stop');
        const stack = lab.buildAndRun();
        await sleep(randomInt(1000, 14_000));
        const { code, signal } = await interrupt(stack);
        demand(
          code === 130 || signal === 'SIGINT',
          `it ended with exit code ${code}: ${stack.errors.at(-1)}`,
        );
        const left = await lab.compose('ps', '--quiet', '--status', 'running');
        demand(left === '', `left running: ${left}`);
      }
      // The next start works.
      await lab.start();
      return lab.finish();
    },
  },

  {
    name: 'members-come-and-go',
    title: '500 messages a second, 4 partitions; members join and leave at random',
    brokers: 1,
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
      const verdict = await lab.finish();
      const bound = changes * EVERY_MEMBER;
      demand(verdict.repeated <= bound, `${verdict.repeated} messages came again, of ${bound} at the most`);
      return verdict;
    },
  },

  {
    name: 'slow-handler',
    title: 'A handler of 12 s, slower than the session time-out and the batch wait',
    brokers: 1,
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
        const code = await lab.exitCode(consumer);
        demand(code === 0 || code === 1, `${consumer} ended with exit code ${code}`);
        await lab.keep(consumer);
      }
      // Nothing is sent that no kept line tells of.
      await lab.compose('stop', 'kafka-producer');
      await lab.keep('kafka-producer');
      lab.configure({ 'kafka-producer': { SEND_INTERVAL_MS: 1000 } });
      await lab.compose('up', '--detach');
      const seconds = await lab.recovery();
      return { ...(await lab.finish()), seconds };
    },
  },

  {
    name: 'topic-deleted',
    title: 'The topic deleted under running services; they make it anew',
    brokers: 1,
    repeats: 0,
    async run(lab) {
      await lab.start();
      const since = (await lab.sent()).length;
      await lab.kafka('kafka-topics', '--delete', '--topic', lab.topic);
      await until('the new topic', async () =>
        (await lab.sent()).slice(since).some(({ offset }) => offset === 0),
      );
      const seconds = await lab.recovery();
      return { ...(await lab.finish(0, sinceLastBeginning)), seconds };
    },
  },

  {
    name: 'buffer-full',
    title: "The producer's buffer of 20 messages filled while Kafka is away",
    brokers: 1,
    repeats: EVERY_CONSUMER,
    async run(lab) {
      await lab.start({ 'kafka-producer': { BUFFER_SIZE: 20 } });
      await lab.compose('stop', 'kafka');
      const full = () => said(lab, 'kafka-producer', /^Buffer full/);
      await until('the buffer full', async () => (await full()) > 0);
      await sleep(2000);
      await lab.docker('start', 'kafka');
      const seconds = await lab.recovery();
      demand((await full()) === 1, `it said so ${await full()} times`);
      const verdict = await lab.finish();
      const gap = Math.max(
        ...lab.records.slice(1).map((one, n) => one.timestamp - (lab.records[n]?.timestamp as number)),
      );
      demand(gap >= 2000, `no tick was skipped: the longest gap is ${gap} ms`);
      return { ...verdict, seconds };
    },
  },
];

/** What a change of members may repeat: for each of the three groups' members, at most three, what it has in hand. */
const EVERY_MEMBER = 3 * (ONE_BY_ONE + ONE_BY_ONE + 50);

async function allHaveResumed(lab: Lab): Promise<void> {
  for (const consumer of CONSUMERS) {
    const from = starts(await lab.lines(consumer)).at(-1)?.from;
    demand(from === 'committed', `${consumer} did not resume where its group had committed`);
  }
}

/** From the line on that shows offset 0 for the last time; with that, and what follows, the new topic begins. */
function sinceLastBeginning(lines: readonly string[]): string[] {
  const last = lines.findLastIndex((line) => /offsets? 0[-,)]/.test(line) && /^(Sent|Received)/.test(line));
  return lines.slice(Math.max(0, last));
}

function interrupt(stack: Stack) {
  process.kill(-(stack.child.pid as number), 'SIGINT');
  return Promise.race([
    stack.exit,
    sleep(60_000).then((): never => {
      throw new Error('it hangs');
    }),
  ]);
}

/** By another client, on this machine, a few at a time between the good ones. */
async function write({ broker, topic }: Lab, values: (string | Buffer | null)[]): Promise<void> {
  const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });
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

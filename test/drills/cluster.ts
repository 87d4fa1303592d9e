/** The drills on three brokers: whatever becomes of one of them, or of two, no message is lost. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { OUR_SERVICES } from '../../harness/compose';
import { starts } from '../../harness/log';
import { until } from '../../harness/service';
import { allInSync, controller, coordinator, leader, rebalancing } from './brokers';
import {
  type Drill,
  fault,
  finishWithEveryTick,
  type Lasting,
  lastingFault,
  ONE_BY_ONE,
  powerCut,
  said,
  saidTo,
} from './drill';
import { CONSUMERS, type Consumer, demand, type Lab } from './lab';

/** Two partitions for each broker to lead, and six members to share. */
const PARTITIONS = 6;
/** Each partition gets a message every 300 ms; in batches of five, each with a commit, a busy machine falls behind. */
const SETTINGS = {
  all: { TOPIC_PARTITIONS: PARTITIONS, BATCH_SIZE: 20 },
  'kafka-producer': { SEND_INTERVAL_MS: 50 },
};
/** What the three may get again when a broker is gone. */
const REPEATS = ONE_BY_ONE + ONE_BY_ONE + SETTINGS.all.BATCH_SIZE;
const ON_THREE = { brokers: 3, repeats: REPEATS, settings: SETTINGS } as const;

/** Kills a broker, for it to stay away until the messages flow without it. */
async function killed(lab: Lab, broker: string): Promise<Lasting> {
  const since = Date.now();
  await lab.kill(broker);
  return { since, end: () => isBack(lab, broker) };
}

async function isBack(lab: Lab, ...brokers: string[]): Promise<void> {
  await lab.docker('start', ...brokers);
  await allInSync(lab);
}

/** What is done to a broker lasts so long, in ms, whether the messages flow meanwhile or not. */
function forSome(ms: number, since: number, mend: () => Promise<unknown>, lab: Lab): Lasting {
  const mended = sleep(ms).then(mend);
  // Waited for at the end; a failure of it is one of the drill.
  mended.catch(() => undefined);
  return { since, end: () => mended.then(() => allInSync(lab)) };
}

export const onThreeBrokers: Drill[] = [
  lastingFault(
    'cluster-leader-killed',
    'The broker that leads most partitions killed',
    async (lab) => killed(lab, await leader(lab)),
    ON_THREE,
  ),

  lastingFault(
    'cluster-coordinator-killed',
    "The coordinator of a consumer's group killed",
    async (lab) => killed(lab, await coordinator(lab, anyConsumer())),
    ON_THREE,
  ),

  lastingFault(
    'cluster-controller-killed',
    'The active controller killed',
    async (lab) => killed(lab, await controller(lab)),
    ON_THREE,
  ),

  lastingFault(
    'cluster-killed-while-rebalancing',
    'A member joins a group, and at that moment the coordinator is killed',
    async (lab) => {
      const consumer = anyConsumer();
      const broker = await coordinator(lab, consumer);
      const joining = lab.join(consumer, 'drill-member');
      await rebalancing(lab, consumer);
      const lasting = await killed(lab, broker);
      await joining;
      return lasting;
    },
    // The rebalance cuts off the one, and the kill all four.
    { ...ON_THREE, repeats: ONE_BY_ONE + REPEATS + ONE_BY_ONE },
  ),

  lastingFault(
    'cluster-leader-frozen',
    'The broker that leads most partitions frozen for 30 s',
    async (lab, short) => {
      const broker = await leader(lab);
      const since = Date.now();
      await lab.docker('pause', broker);
      return forSome(short ? 12_000 : 30_000, since, () => lab.docker('unpause', broker), lab);
    },
    ON_THREE,
  ),

  lastingFault(
    'cluster-leader-cut-off',
    'The broker that leads most partitions cut off the network for 20 s',
    async (lab, short) => {
      const broker = await leader(lab);
      const since = Date.now();
      await lab.cutOff(broker);
      return forSome(short ? 12_000 : 20_000, since, () => lab.plugIn(broker), lab);
    },
    ON_THREE,
  ),

  powerCut('cluster-all-killed-at-work', 'All killed at once, at work, and started again', ON_THREE),

  powerCut(
    'cluster-all-killed-at-rest',
    'All killed at once, with nothing left to handle, and started again',
    { ...ON_THREE, atRest: true },
  ),

  {
    name: 'cluster-rolled',
    title: 'All three restarted, one after the other',
    brokers: 3,
    repeats: 3 * REPEATS,
    async run(lab) {
      await lab.start(SETTINGS);
      let seconds = 0;
      for (const broker of lab.brokers) {
        const since = Date.now();
        await lab.compose('stop', broker);
        seconds = Math.max(seconds, await lab.recovery(since));
        await lab.docker('start', broker);
        await lab.healthy(broker);
      }
      await allInSync(lab);
      return { ...(await finishWithEveryTick(lab)), seconds };
    },
  },

  fault(
    'cluster-two-down',
    'Two of three killed, and started again after 30 s',
    async (lab, short) => {
      const [one, ...two] = shuffled(lab.brokers);
      await lab.kill(...two);
      await sleep(short ? 12_000 : 30_000);
      await saidTo(lab, /^(Broker lost|Held up): /);
      for (const service of OUR_SERVICES) {
        const untrue = await said(lab, service, /^Broker lost: |^Held up: .*advertised\.listeners/);
        demand(untrue === 0, `${service} has it that no broker is there, or wrongly named: ${one} is`);
      }
      await lab.docker('start', ...two);
    },
    {
      ...ON_THREE,
      async check(lab) {
        await saidTo(lab, /^(Broker back|Going on) after /);
        await allInSync(lab);
      },
    },
  ),

  {
    name: 'cluster-scaled',
    title: '500 messages a second; a group is scaled from 1 member to 6, to 1, and to 6 again',
    brokers: 3,
    // Each of fifteen changes makes all its members, six at the most, join anew.
    repeats: 15 * PARTITIONS * ONE_BY_ONE,
    async run(lab) {
      await lab.start({ ...SETTINGS, 'kafka-producer': { SEND_INTERVAL_MS: 2 } });
      const consumer = anyConsumer();
      const scaledToSix = async (name: string) => {
        const members = Array.from({ length: PARTITIONS - 1 }, (_, index) => `drill-${name}-${index + 2}`);
        await Promise.all(members.map((member) => lab.join(consumer, member)));
        for (const member of members)
          await until(`a partition for ${member}`, async () => starts(await lab.lines(member)).length > 0);
        return members;
      };
      const members = await scaledToSix('member');
      await Promise.all(members.map((member) => lab.part(member)));
      await scaledToSix('later-member');
      const seconds = await lab.recovery();
      return { ...(await finishWithEveryTick(lab)), seconds };
    },
  },
];

function anyConsumer(): Consumer {
  return CONSUMERS[randomInt(CONSUMERS.length)] as Consumer;
}

function shuffled<T>(all: readonly T[]): T[] {
  return all
    .map((one) => ({ one, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ one }) => one);
}

/** The brokers of a lab: what they are called, and what they say of themselves. */
import { Kafka, logLevel } from 'kafkajs';
import { until } from '../../harness/service';
import type { Lab } from './lab';

/** So many brokers a lab may have. */
export const SIZES = [1, 3] as const;

export type Brokers = (typeof SIZES)[number];

interface Stack {
  files: string[];
  /** The services, in the order of the brokers' ids from 1. */
  brokers: string[];
  /** What else they need. */
  others: string[];
  /** Where their image has one of Kafka's own tools. */
  tool(name: string): string;
}

export const STACKS: Record<Brokers, Stack> = {
  1: { files: ['docker-compose.yml'], brokers: ['kafka'], others: ['zookeeper'], tool: (name) => name },
  3: {
    files: ['docker-compose.yml', 'docker-compose.cluster.yml'],
    brokers: ['kafka', 'kafka-2', 'kafka-3'],
    others: [],
    tool: (name) => `/opt/kafka/bin/${name}.sh`,
  },
};

/** The broker that leads the most partitions of the drill's topic. */
export async function leader(lab: Lab): Promise<string> {
  const table = await lab.kafka('kafka-topics', '--describe', '--topic', lab.topic);
  const leaders = [...table.matchAll(/\tLeader: (\d+)/g)].map(([, id]) => Number(id));
  const partitionsOf = (id: number) => leaders.filter((one) => one === id).length;
  return lab.brokerOf(leaders.sort((a, b) => partitionsOf(b) - partitionsOf(a))[0]);
}

/** The broker that coordinates the group of a consumer. */
export async function coordinator(lab: Lab, consumer: string): Promise<string> {
  const table = await lab.kafka(
    ...['kafka-consumer-groups', '--describe', '--state', '--group', lab.groupOf(consumer)],
    // By default it gives up after 5 s, and prints no row.
    ...['--timeout', '60000'],
  );
  return lab.brokerOf(Number(/ \S+:\d+ +\((\d+)\) /.exec(table)?.[1]));
}

/** The broker that is the active controller, as each of them has noted it beside the cluster's metadata. */
export async function controller(lab: Lab): Promise<string> {
  const [broker] = lab.brokers as [string];
  const file = '/var/lib/kafka/data/__cluster_metadata-0/quorum-state';
  // While one is elected there is none.
  const id = await until('a controller', async () => {
    const { leaderId } = JSON.parse(await lab.exec(broker, 'cat', file));
    return leaderId > 0 && leaderId;
  });
  return lab.brokerOf(id);
}

/** Waits until the members of a consumer's group have to join anew, for there is one more. */
export async function rebalancing(lab: Lab, consumer: string): Promise<void> {
  // The rebalance is over within a second or two: Kafka's own tool would take longer to start.
  const admin = new Kafka({ brokers: [lab.broker], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await until('a group that rebalances', async () => {
    const { groups } = await admin.describeGroups([lab.groupOf(consumer)]);
    return groups.some(({ state, members }) => state !== 'Stable' || members.length > 1);
  });
  await admin.disconnect();
}

/** Waits until every partition, the groups' own too, is on all its brokers again. */
export async function allInSync(lab: Lab): Promise<void> {
  await until('all brokers in sync', async () => {
    const behind = await lab.kafka('kafka-topics', '--describe', '--under-replicated-partitions');
    return behind.trim() === '';
  });
}

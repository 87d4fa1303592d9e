/**
 * What the recordings of the live view show: the README's experiments, with the same services and settings, on the demo
 * without Docker.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { received, sent } from '../harness/log';
import { type Recorded, type ServiceName, until } from '../harness/service';
import type { View } from '../harness/view';
import type { Broker } from '../local/broker';
import type { Cluster } from '../local/cluster';

export interface Scene {
  /** Names the recording, docs/replay/SLUG.json, and its place in the page: the anchor of the experiment's heading. */
  slug: string;
  title: string;
  /** What is to be seen, in a sentence. */
  caption: string;
  topic: string;
  /** On the one broker of the demo, or on the three of --cluster. */
  brokers: 1 | 3;
  play(stage: Stage): Promise<void>;
}

export interface Stage {
  /** Starts a service of the demo, of the scene's topic, with settings over its own. */
  start(name: ServiceName, settings?: Record<string, string>): Recorded;
  view: View;
  /** One of these is there. */
  broker: Broker;
  cluster: Cluster;
}

const ALL = ['consumer_from_oldest', 'consumer_from_newest', 'consumer_batch_message'] as const;
/** So many messages are there before the first consumer. */
const HISTORY = 8;

export const SCENES: readonly Scene[] = [
  {
    slug: 'the-first-run',
    title: 'The first run',
    caption:
      'Some messages are there already when the consumers come: the oldest begins at 0 and replays them, the newest skips them, and the batch consumer commits up to five at once.',
    topic: 'test-topic',
    brokers: 1,
    async play({ start }) {
      await haveSent(start('kafka-producer'), HISTORY);
      const [, newest] = ALL.map((name) => start(name));
      await haveReceived(newest, 20);
    },
  },
  {
    slug: 'why-does-it-start-from-the-beginning-again',
    title: 'Started again',
    caption:
      'Two consumers are stopped and started again: the group “lesson” goes on at what it had committed; the other consumer has no name for its group, comes as a new one, and begins at 0.',
    topic: 'test-topic',
    brokers: 1,
    async play({ start }) {
      const producer = start('kafka-producer');
      await haveSent(producer, HISTORY);
      const both = () => [
        start('consumer_from_oldest', { GROUP_ID: 'lesson' }),
        start('consumer_from_oldest'),
      ];
      const first = both();
      for (const consumer of first) await haveReceived(consumer, HISTORY + 6);
      await Promise.all(first.map((consumer) => consumer.stop()));
      await haveSent(producer, sent(producer.lines).length + 5);
      const [lesson] = both();
      await haveReceived(lesson, 14);
    },
  },
  {
    slug: 'why-did-i-get-a-message-twice',
    title: 'A message that comes twice',
    caption:
      'A consumer that takes half a second for each message is killed, and started again: what it had handled and not committed comes a second time.',
    topic: 'test-topic',
    brokers: 1,
    async play({ start, view }) {
      await haveSent(start('kafka-producer'), HISTORY);
      const twice = () => start('consumer_from_oldest', { GROUP_ID: 'twice', HANDLER_DELAY_MS: '500' });
      const killed = twice();
      await haveReceived(killed, HISTORY);
      await until('something that is not committed', async () => {
        const { committed = 0 } = (await view.state()).picture.groups.twice?.offsets[0] ?? {};
        return received(killed.lines).length >= committed + 2;
      });
      await killed.stop('SIGKILL');
      await haveReceived(twice(), 14);
    },
  },
  {
    slug: 'why-is-one-of-my-two-consumers-idle',
    title: 'Two members, one partition',
    caption:
      'The group “pair” has two members and one partition: the second one has nothing to do, until the first is stopped and it takes over.',
    topic: 'test-topic',
    brokers: 1,
    async play({ start }) {
      await haveSent(start('kafka-producer'), HISTORY);
      const first = start('consumer_from_newest', { GROUP_ID: 'pair' });
      await haveReceived(first, 4);
      const second = start('consumer_from_oldest', { GROUP_ID: 'pair' });
      await second.line('an idle member', (line) => line === 'No partitions assigned');
      await haveReceived(first, received(first.lines).length + 5);
      await first.stop();
      await haveReceived(second, 6);
    },
  },
  {
    slug: 'how-far-can-i-scale-a-group',
    title: 'Six partitions, shared',
    caption:
      'A topic of six partitions, and a group that grows from one member to three and to six: each time the partitions move, until each member has one.',
    topic: 'six',
    brokers: 1,
    async play({ start }) {
      const producer = start('kafka-producer', { TOPIC_PARTITIONS: '6' });
      await haveSent(producer, 3);
      const grow = async (by: number) => {
        for (let member = 0; member < by; member++)
          start('consumer_from_oldest', { GROUP_ID: 'member_from_oldest' });
        await haveSent(producer, sent(producer.lines).length + 12);
      };
      await grow(1);
      await grow(2);
      await grow(3);
    },
  },
  {
    slug: 'what-happens-when-the-broker-goes-away',
    title: 'The broker goes and comes',
    caption:
      'The broker is stopped for 20 s: nothing is known meanwhile, the producer keeps its messages, and all of them arrive once the broker is back.',
    topic: 'test-topic',
    brokers: 1,
    async play({ start, broker }) {
      await haveSent(start('kafka-producer'), HISTORY);
      const [, newest] = ALL.map((name) => start(name));
      await haveReceived(newest, 8);
      await broker.stopKafka();
      await sleep(20_000);
      await broker.startKafka();
      await haveReceived(newest, 40);
    },
  },
  {
    slug: 'on-several-brokers',
    title: 'One broker of three is killed',
    caption:
      'Three brokers have a copy of each partition, and one of them is killed: the others lead its partitions after some seconds, and no message is lost.',
    topic: 'test-topic',
    brokers: 3,
    async play({ start, cluster }) {
      await haveSent(start('kafka-producer', { TOPIC_PARTITIONS: '6' }), HISTORY);
      const [, newest] = ALL.map((name) => start(name));
      await haveReceived(newest, 8);
      await cluster.broker[2].stop('SIGKILL');
      await haveReceived(newest, 28);
      await cluster.broker[2].start();
      await haveReceived(newest, 36);
    },
  },
];

const haveSent = (producer: Recorded, count: number) =>
  producer.shows(`${count} messages sent`, (lines) => sent(lines).length >= count);

const haveReceived = (consumer: Recorded | undefined, count: number) =>
  consumer?.shows(`${count} messages received`, (lines) => received(lines).length >= count);

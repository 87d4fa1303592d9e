/** The live view on three real brokers: who leads what, and one that dies, freezes and comes back. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { startService, until } from '../../harness/service';
import { openView } from '../../harness/view';
import type { BrokerId } from '../../local/cluster';
import { java } from '../../local/java';
import type { Group, Snapshot } from '../../view/picture';
import { messages, useCluster } from '../support/kafka';

const kafka = useCluster();
const PARTITIONS = 6;

/** A topic, a group that reads it, and the view, looked at. */
async function show() {
  const topic = await kafka.createTopic(PARTITIONS);
  for (let partition = 0; partition < PARTITIONS; partition++)
    await kafka.write(topic, messages(0, 3), partition);
  const settings = { KAFKA_BROKERS: kafka.cluster.brokers, KAFKA_TOPIC: topic };
  const reader = startService('consumer_from_oldest', { ...settings, GROUP_ID: topic });
  const view = await openView(settings);
  const close = await view.look(topic);
  const sees = (what: string, condition: (picture: Snapshot['picture']) => boolean) =>
    until(what, async () => {
      const { picture } = await view.state();
      return condition(picture) && picture;
    });
  await sees('all read', ({ groups }) => {
    const group = groups[topic];
    return group?.state === 'Stable' && Object.keys(group.offsets).length === PARTITIONS && group.lag === 0;
  });
  const told = async () => (await view.state()).happenings.map(({ text }) => text);
  return { topic, view, reader, close, sees, told };
}

const isWhole = ({ brokers, partitions }: Snapshot['picture']) =>
  Object.values(brokers).every(({ gone, silent }) => gone === undefined && silent === undefined) &&
  Object.values(partitions).every(({ isr }) => isr.length === 3);

test('each partition has its leader and its copies, each group its coordinator, as Kafka has them', async () => {
  const { topic, view, reader, close, sees } = await show();
  const { brokers, partitions, groups } = await sees('all three', isWhole);
  assert.deepEqual(Object.keys(brokers), ['1', '2', '3']);
  const { topics } = await kafka.admin.fetchTopicMetadata({ topics: [topic] });
  for (const { partitionId, leader, replicas } of topics[0]?.partitions ?? []) {
    assert.equal(partitions[partitionId]?.leader, leader);
    assert.deepEqual(partitions[partitionId]?.replicas, replicas);
    assert.deepEqual(partitions[partitionId]?.isr, [1, 2, 3]);
  }
  assert.equal(groups[topic]?.coordinator, await kafka.coordinator(topic));
  close();
  assert.equal(await reader.stop(), 0);
  assert.equal(await view.service.stop(), 0);
});

for (const [how, end, back] of [
  ['dies', (id: BrokerId) => kafka.cluster.broker[id].stop('SIGKILL'), 'start'],
  ['freezes', async (id: BrokerId) => kafka.cluster.broker[id].freeze(), 'thaw'],
] as const)
  test(`a leader that ${how} is shown, holds up nobody, and its partition is followed to the next leader`, async () => {
    const { topic, view, reader, close, sees, told } = await show();
    const victim = (await kafka.leader(topic)) as BrokerId;
    await end(victim);
    const picture = await sees('another leader of each partition', ({ partitions, brokers }) => {
      const shown = Object.values(partitions);
      return (
        shown.every(({ leader, isr }) => leader > 0 && leader !== victim && !isr.includes(victim)) &&
        (brokers[victim]?.gone ?? brokers[victim]?.silent) !== undefined
      );
    });
    assert.equal(picture.silence, undefined, 'the others answer');
    // A client of kafkajs may wait for a frozen broker for long: that is not for the view to show.
    if (back === 'start') {
      await kafka.write(topic, messages(3, 5));
      await sees('the new messages, by the new leader', ({ partitions }) => partitions[0]?.end === 5);
      await until('their values', async () => (await view.state()).messages[0]?.at(-1)?.offset === 4);
      await sees('the group again', ({ groups }) => {
        const group = groups[topic];
        return group?.state === 'Stable' && group.lag === 0 && group.coordinator !== victim;
      });
    }
    const meanwhile = await told();
    assert.ok(
      meanwhile.some((text) => new RegExp(`roker ${victim} (is gone|does not answer)`).test(text)),
      meanwhile.join('\n'),
    );
    await kafka.cluster.broker[victim][back]();
    await sees('all three', isWhole);
    const sentences = await told();
    const about = (pattern: RegExp) => sentences.filter((text) => pattern.test(text)).length;
    assert.ok(about(new RegExp(`led by broker \\d, no more by ${victim}`)) >= 1);
    assert.ok(about(new RegExp(`roker ${victim} (is back after|was away for)`)) >= 1, sentences.join('\n'));
    assert.ok(about(new RegExp(`roker ${victim} `)) <= 8, 'and no flood');
    assert.equal(about(/ is gone: Kafka does not know this group/), 0, 'the group was there all the time');
    assert.deepEqual(view.service.lines, [`The live view is at http://localhost:${view.port}`]);
    close();
    assert.equal(await reader.stop(), 0);
    assert.equal(await view.service.stop(), 0);
  });

/** A member by Kafka 4's protocol: Java's own console consumer. The function that is given ends it. */
function startNewMember(topic: string, group: string): () => Promise<void> {
  const options = ['--topic', topic, '--group', group, '--from-beginning'];
  const settings = ['group.protocol=consumer', 'auto.commit.interval.ms=500', 'client.id=from-java'];
  const child = java(
    'kafka-4',
    ['-Xmx128m'],
    [
      'org.apache.kafka.tools.consumer.ConsoleConsumer',
      ...['--bootstrap-server', kafka.cluster.brokers, ...options],
      ...settings.flatMap((setting) => ['--command-property', setting]),
    ],
    () => {},
  );
  return async () => {
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
}

test("a group of Kafka 4's protocol is shown with its members, commits and lag, and does not come and go", async () => {
  const topic = await kafka.createTopic(2);
  for (const partition of [0, 1]) await kafka.write(topic, messages(0, 3), partition);
  const view = await openView({ KAFKA_BROKERS: kafka.cluster.brokers, KAFKA_TOPIC: topic });
  const close = await view.look(topic);
  const sees = (what: string, condition: (group: Group) => boolean) =>
    until(what, async () => {
      const group = (await view.state()).picture.groups[topic];
      return group !== undefined && condition(group) && group;
    });
  const reads = ({ members }: Group, client: string) =>
    Object.values(members).find((member) => member.client === client)?.partitions;

  const end = startNewMember(topic, topic);
  const alone = await sees('both partitions, all committed', (group) => {
    const offsets = Object.values(group.offsets);
    return group.state === 'Stable' && offsets.length === 2 && group.lag === 0;
  });
  assert.deepEqual(reads(alone, 'from-java'), [0, 1]);
  assert.deepEqual(
    Object.values(alone.offsets).map(({ committed }) => committed),
    [3, 3],
  );
  assert.match(Object.values(alone.members)[0]?.host ?? '', /^[\d.]+$/);
  assert.equal(alone.owners[0]?.letter, 'a');

  // One of ours comes to it, and the other one goes: so the group changes its protocol twice.
  const ours = startService('consumer_from_oldest', {
    KAFKA_BROKERS: kafka.cluster.brokers,
    KAFKA_TOPIC: topic,
    GROUP_ID: topic,
  });
  await sees('a partition for each', (group) => {
    const [theirs, own] = [reads(group, 'from-java'), reads(group, 'consumer_from_oldest')];
    return theirs?.length === 1 && own?.length === 1 && group.state === 'Stable';
  });
  await end();
  await sees('both partitions for ours', (group) => {
    return Object.keys(group.members).length === 1 && reads(group, 'consumer_from_oldest')?.length === 2;
  });
  const again = startNewMember(topic, topic);
  await sees('the group upgraded', (group) => reads(group, 'from-java')?.length === 1);
  await kafka.write(topic, messages(3, 5));
  await sees('its commits', ({ offsets, lag }) => offsets[0]?.committed === 5 && lag === 0);

  const told = (await view.state()).happenings.map(({ text }) => text).filter((text) => text.includes(topic));
  assert.equal(told.filter((text) => /is gone|is back|is a new group/.test(text)).length, 0, told.join('\n'));
  await again();
  assert.equal(await ours.stop(), 0);
  close();
  assert.equal(await view.service.stop(), 0);
});

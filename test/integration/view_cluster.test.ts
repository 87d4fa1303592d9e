/** The live view on three real brokers: who leads what, and one that dies, freezes and comes back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startService, until } from '../../harness/service';
import { openView } from '../../harness/view';
import type { BrokerId } from '../../local/cluster';
import type { Snapshot } from '../../view/picture';
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
    assert.equal(about(/is the controller, no more/), 0, 'of which Kafka tells nothing');
    assert.equal(about(/ is gone: Kafka does not know this group/), 0, 'the group was there all the time');
    assert.deepEqual(view.service.lines, [`The live view is at http://localhost:${view.port}`]);
    close();
    assert.equal(await reader.stop(), 0);
    assert.equal(await view.service.stop(), 0);
  });

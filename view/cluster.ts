/** What an answer about the cluster changes in the picture: its brokers, and the partitions of the topic. Pure. */
import { escapeControls } from '../lib/message/message';
import type { Picture } from './picture';
import type { ClusterAnswer } from './reader';

export function withBrokers(
  picture: Picture,
  { brokers }: ClusterAnswer,
  silent: ReadonlyMap<number, number>,
  now: number,
): Picture {
  const known: Picture['brokers'] = {};
  for (const [id, broker] of Object.entries(picture.brokers))
    known[id] = { gone: broker.silent ?? now, ...broker };
  for (const { id, host, port } of brokers) {
    const before = picture.brokers[id];
    const awaySince = before?.gone ?? before?.silent;
    const silentSince = silent.get(id);
    const wasAway = awaySince !== undefined && silentSince === undefined ? now - awaySince : before?.wasAway;
    known[id] = {
      host: escapeControls(host),
      port,
      ...(silentSince !== undefined && { silent: before?.silent ?? silentSince }),
      ...(wasAway !== undefined && { wasAway }),
    };
  }
  return { ...picture, brokers: known };
}

export function withPartitions(picture: Picture, { topics }: ClusterAnswer, now: number): Picture {
  const { partitions = [] } = topics.find(({ topic }) => topic === picture.topic) ?? {};
  if (partitions.length === 0) return { ...picture, missing: picture.missing ?? now, partitions: {} };
  const { missing, ...rest } = picture;
  const known: Picture['partitions'] = {};
  for (const { id, leader, replicas, isr } of partitions)
    known[id] = {
      ...(picture.partitions[id] ?? { start: -1, end: -1 }),
      leader,
      replicas,
      isr: [...isr].sort((one, other) => one - other),
    };
  return { ...rest, partitions: known };
}

/** What is known of one topic, and what the answers of a round change in it. Pure: no clock, no network. */

import { escapeControls } from '../lib/message/message';
import type { Answers } from './answers';
import { type Change, diff, lagOf, Memory } from './change';
import { withBrokers, withPartitions } from './cluster';
import { newGroup, withAnswer } from './groups';
import type { Group, Happening, Message, Offset, Partition, Picture } from './picture';
import type { ClusterAnswer, LogAnswer } from './reader';
import { Story } from './story';
import { type LogThen, Trail } from './trail';

/** How long a group that is gone is still shown, in ms. */
const FADE_MS = 15_000;
/** So many messages are kept, of all partitions together, and of each at least so many. */
const MESSAGES = 2400;
const MESSAGES_PER_PARTITION = 50;
/** So many characters of a value, or a key, are shown. */
const SHOWN = 120;

export interface News {
  change: Change;
  messages: Record<string, Message[]>;
  happenings: Happening[];
}

export class Model {
  picture: Picture;
  /** When Kafka answered last, in ms since 1970. */
  heard: number;
  readonly messages: Record<string, Message[]> = {};
  readonly memory: Memory;
  readonly story = new Story();
  private readonly trails = new Map<string, Trail>();
  /** By group and partition, the committed offset at which the age was last looked up. */
  private readonly aged = new Map<string, number>();

  constructor(topic: string, now: number) {
    this.picture = { topic, brokers: {}, partitions: {}, groups: {} };
    this.heard = now;
    this.memory = new Memory({ since: now, base: this.picture, changes: [] });
  }

  /** Takes in what a round has learnt; the past takes note of it. */
  apply(answers: Answers): News {
    const before = this.picture;
    const { now, silent, cluster, groups } = answers;
    this.heard = now;
    const messages = this.remember(answers.logs);
    if (before.silence && before.silence.until === undefined)
      this.picture = { ...before, silence: { ...before.silence, until: now } };
    if (cluster) {
      this.picture = withPartitions(withBrokers(this.picture, cluster, silent, now), cluster, now);
      if (this.picture.missing !== undefined)
        for (const partition of Object.keys(this.messages)) delete this.messages[partition];
    }
    this.picture = this.withLogs(answers.logs);
    // In the order in which it happened: what was committed, and who had what then.
    for (const one of answers.written)
      if (!('topic' in one) || one.topic === this.picture.topic)
        this.trail(one.group).note(one, this.logThen('partition' in one ? one.partition : -1));
    if (groups) this.picture = this.withGroups(groups, now);
    for (const one of answers.committed) this.picture = this.withCommitted(one, answers);
    for (const { group, partition, offset, timestamp } of answers.ages)
      this.lookedUp(group, partition, offset, timestamp);
    this.picture = this.measured();
    return this.news(before, now, messages);
  }

  /** Whether the answer lacks the topic, though it was there. */
  misses({ topics }: ClusterAnswer): boolean {
    const { topic, partitions } = this.picture;
    const told = topics.find((one) => one.topic === topic)?.partitions ?? [];
    return told.length === 0 && Object.keys(partitions).length > 0;
  }

  /**
   * Kafka gave no answer.
   *
   * @param refusal where Kafka, or the way to it, refuses us: why, and what to do
   */
  fallSilent(refusal: string | undefined, now: number): News {
    const before = this.picture;
    if (!before.silence || before.silence.until !== undefined)
      this.picture = {
        ...before,
        silence: { since: this.heard, ...(refusal && { refusal: escapeControls(refusal) }) },
      };
    return this.news(before, now, {});
  }

  /** The groups and offsets whose message's timestamp is not known: what lies there is the oldest not committed. */
  withoutAge(): { group: string; offsets: { partition: number; offset: number }[] }[] {
    return Object.entries(this.picture.groups)
      .map(([group, { offsets }]) => ({
        group,
        offsets: Object.entries(offsets)
          .filter(([partition, { lag, committed }]) => lag > 0 && this.agedAt(group, partition) !== committed)
          .map(([partition, { committed }]) => ({ partition: Number(partition), offset: committed })),
      }))
      .filter(({ offsets }) => offsets.length > 0);
  }

  private news(before: Picture, now: number, messages: News['messages']): News {
    const happenings = this.story.go(this.picture, now);
    this.memory.add(now, this.picture);
    return { change: diff(before, this.picture), messages, happenings };
  }

  /** The new ones. */
  private remember(answers: LogAnswer[]): News['messages'] {
    const news: News['messages'] = {};
    const partitions = Math.max(1, Object.keys(this.picture.partitions).length);
    const limit = Math.max(MESSAGES_PER_PARTITION, Math.floor(MESSAGES / partitions));
    for (const { partition, records } of answers) {
      const kept = this.messages[partition] ?? [];
      const from = (kept.at(-1)?.offset ?? -1) + 1;
      const messages = records.filter(({ offset }) => offset >= from).map(asMessage);
      if (messages.length === 0) continue;
      this.messages[partition] = [...kept, ...messages].slice(-limit);
      news[partition] = messages.slice(-limit);
    }
    return news;
  }

  private withLogs(answers: LogAnswer[]): Picture {
    const partitions = { ...this.picture.partitions };
    for (const { partition, start, end, stable } of answers) {
      const { stable: _, ...before } = partitions[partition] ?? {};
      if (!('leader' in before)) continue;
      partitions[partition] = {
        ...(before as Partition),
        start,
        end,
        ...(stable >= 0 && stable < end && { stable }),
      };
    }
    return { ...this.picture, partitions };
  }

  private withGroups({ described, unanswered }: NonNullable<Answers['groups']>, now: number): Picture {
    const { topic } = this.picture;
    const groups = { ...this.picture.groups };
    const there = new Set(unanswered);
    for (const answer of described) {
      // An empty group of which nothing is left is as good as gone.
      if (answer.state === 'Dead') continue;
      const { id, members, state, coordinator } = answer;
      const isOurs = members.some(({ topics, assignment }) => topics.includes(topic) || topic in assignment);
      const known = groups[id];
      if (!isOurs && !known) continue;
      there.add(id);
      const { gone, ...before } = known ?? newGroup(id, namesOf(groups), state, coordinator);
      groups[id] = withAnswer(before, answer, topic, this.trail(id), now);
    }
    for (const [id, group] of Object.entries(groups)) {
      if (there.has(id)) continue;
      if (!group.gone) {
        groups[id] = { ...group, gone: now, state: 'Dead', members: {} };
        this.trails.delete(id);
      } else if (now - group.gone > FADE_MS) delete groups[id];
    }
    return { ...this.picture, groups };
  }

  /** A group that is not known yet has committed offsets of this topic, and no members. */
  private withCommitted(
    { group: id, coordinator, offsets: told }: Answers['committed'][number],
    { now, isWrittenReadable }: Answers,
  ): Picture {
    const committed = Object.entries(told[this.picture.topic] ?? {});
    const { groups } = this.picture;
    if (!groups[id] && committed.length === 0) return this.picture;
    const group = groups[id] ?? newGroup(id, namesOf(groups), 'Empty', coordinator);
    if (group.gone) return this.picture;
    const offsets: Group['offsets'] = {};
    for (const [partition, offset] of committed) {
      const trail = this.trail(id);
      if (!isWrittenReadable) trail.seen(partition, offset, now, this.logThen(Number(partition)));
      const { committed: was = 0, again: before, lag = 0, oldest } = group.offsets[partition] ?? {};
      const again = offset < was ? { from: offset, to: Math.max(was, before?.to ?? 0) } : before;
      offsets[partition] = {
        committed: offset,
        lag,
        ...trail.of(partition, offset),
        ...(oldest !== undefined && { oldest }),
        ...(again && offset < again.to && { again }),
      };
    }
    return { ...this.picture, groups: { ...groups, [id]: { ...group, offsets } } };
  }

  /** The timestamp of the message at an offset: since when it has been waiting for the group to commit it. */
  private lookedUp(id: string, partition: number, committed: number, timestamp: number): void {
    const group = this.picture.groups[id];
    const offset = group?.offsets[partition];
    if (!group || offset?.committed !== committed || timestamp < 0) return;
    this.aged.set(`${partition} ${id}`, committed);
    const offsets = { ...group.offsets, [partition]: { ...offset, oldest: timestamp } };
    this.picture = { ...this.picture, groups: { ...this.picture.groups, [id]: { ...group, offsets } } };
  }

  private agedAt(group: string, partition: string): number | undefined {
    return this.aged.get(`${partition} ${group}`);
  }

  /** The lags, of what is committed and of the ends; the ages of what we have seen ourselves. */
  private measured(): Picture {
    const groups: Picture['groups'] = {};
    for (const [id, group] of Object.entries(this.picture.groups)) {
      const offsets: Group['offsets'] = {};
      let lag = 0;
      for (const [partition, offset] of Object.entries(group.offsets)) {
        const after: Offset = { ...offset, lag: lagOf(this.picture, partition, offset) };
        const seen = after.lag > 0 ? this.timestampAt(partition, offset.committed) : undefined;
        if (after.lag === 0) delete after.oldest;
        else if (seen !== undefined) {
          after.oldest = seen;
          this.aged.set(`${partition} ${id}`, offset.committed);
        }
        lag += after.lag;
        offsets[partition] = after;
      }
      groups[id] = { ...group, offsets, lag };
    }
    return { ...this.picture, groups };
  }

  private timestampAt(partition: string, offset: number): number | undefined {
    const kept = this.messages[partition] ?? [];
    const guess = kept[offset - (kept[0]?.offset ?? 0)];
    const message = guess?.offset === offset ? guess : kept.find((one) => one.offset === offset);
    return message && message.timestamp >= 0 ? message.timestamp : undefined;
  }

  /** How much of the partition lay ahead of an offset at some moment, as far as we have seen its messages. */
  private logThen(partition: number): LogThen {
    const { start = -1, end = -1 } = this.picture.partitions[partition] ?? {};
    const kept = this.messages[partition] ?? [];
    return {
      start: Math.max(0, start),
      ahead: (offset, at) => {
        const later = kept.find(({ timestamp }) => timestamp > at);
        if (end < 0 || (later && later === kept[0] && later.offset > Math.max(start, offset)))
          return undefined;
        return Math.max(0, Math.min(end, later?.offset ?? end) - offset);
      },
    };
  }

  private trail(id: string): Trail {
    const trail = this.trails.get(id) ?? new Trail();
    this.trails.set(id, trail);
    return trail;
  }
}

function namesOf(groups: Picture['groups']): string[] {
  return Object.values(groups).flatMap(({ name, gone }) => (gone ? [] : [name]));
}

function asMessage({ offset, timestamp, key, value, bytes }: LogAnswer['records'][number]): Message {
  const told = key === null ? {} : { key: beginning(key).text };
  if (value === null) return { offset, timestamp, ...told, bytes: 0 };
  const { text, isCut } = beginning(value);
  return { offset, timestamp, ...told, value: text, ...(isCut && { isCut }), bytes };
}

/** Four bytes are the longest character: a large value costs no more than a small one. */
function beginning(value: Buffer): { text: string; isCut: boolean } {
  const characters = [...value.subarray(0, SHOWN * 4).toString()];
  const isCut = value.length > SHOWN * 4 || characters.length > SHOWN;
  return { text: escapeControls(characters.slice(0, SHOWN).join('')), isCut };
}

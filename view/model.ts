/** What is known of one topic, and what an answer of Kafka changes in it. Pure: no clock, no network. */

import { age } from '../lib/message/age';
import { escapeControls } from '../lib/message/message';
import type { Commit } from './commits';
import {
  type Group,
  type Happening,
  lagOf,
  type Member,
  Memory,
  type Message,
  type Offset,
  type Partition,
  type Picture,
} from './picture';
import type { ClusterAnswer, CommittedAnswer, GroupAnswer, LogAnswer } from './reader';

/** What a consumer of the demo puts behind its name, where it has no GROUP_ID; of a whole UUID, the beginning will do. */
const RANDOM_END = /^(.+)-([0-9a-f]{8})(?:-[0-9a-f]{4}){0,3}(?:-[0-9a-f]{12})?$/;

/** Of several brokers, one that was named the controller so many times in a row is it. */
const SURE = 6;
/** How long a group or a broker that is gone is still shown, in ms. */
const FADE_MS = 15_000;
/** From a consumer's look for the end of the log to its commit there, in ms: what is sent meanwhile is new to it. */
const STARTING_MS = 1000;
/** So many happenings are kept. */
const HAPPENINGS = 500;
/** So many messages are kept, of all partitions together, and of each at least so many. */
const MESSAGES = 2400;
const MESSAGES_PER_PARTITION = 50;
/** So many characters of a value are shown. */
const SHOWN = 120;

/** What is remembered of a group to tell what its next description means. */
interface Trail {
  /** Who had each partition when that was last told: nobody has one in a rebalance. */
  owners: Map<number, { member: string; letter: string }>;
  /** How many members have got a letter. */
  letters: number;
  /** When its last rebalance began, in ms since 1970. */
  rebalancingSince: number;
  /** By partition, the committed offset at which the age was last looked up. */
  aged: Map<string, number>;
  /** By partition, its first commit; undefined where that was before we looked. */
  firsts: Map<string, Offset['first']>;
  /** By partition, its last commit, and how far that moved it. */
  steps: Map<string, { to: number; step?: number }>;
}

export class Model {
  picture: Picture;
  readonly happenings: Happening[] = [];
  readonly messages: Record<string, Message[]> = {};
  readonly memory: Memory;
  private news: { messages: Record<string, Message[]>; happenings: Happening[] };
  /** What is there at the first look has not just happened. */
  private readonly hasLooked = { cluster: false, groups: false, log: false };
  private readonly trails = new Map<string, Trail>();

  constructor(topic: string, now: number) {
    this.picture = { topic, brokers: {}, partitions: {}, groups: {} };
    this.memory = new Memory({ since: now, base: this.picture, changes: [] });
    this.news = { messages: {}, happenings: [] };
  }

  /** What is new since the last call; the past takes note of it. */
  takeNews(now: number): Model['news'] {
    this.memory.add(now, this.picture);
    const { news } = this;
    this.news = { messages: {}, happenings: [] };
    return news;
  }

  /** Kafka gave no answer. */
  silent(reason: string, now: number): void {
    if (this.picture.silent) return;
    this.picture = { ...this.picture, silent: { since: now, reason: escapeControls(reason) } };
    this.say(now, 'kafka', `Kafka does not answer: ${reason}`);
  }

  /**
   * The brokers, and the partitions of the topic.
   *
   * @param silent brokers that are counted in and give no answer, since when
   */
  cluster(
    { brokers, controller, topics }: ClusterAnswer,
    now: number,
    silent: ReadonlyMap<number, number> = new Map(),
  ): void {
    this.answered(now);
    const known = { ...this.picture.brokers };
    const there = new Set(brokers.map(({ id }) => String(id)));
    for (const { id, host, port } of brokers) {
      if (known[id]?.gone) this.say(now, 'broker', `Broker ${id} is back after ${age(now - known[id].gone)}`);
      else if (!known[id] && this.hasLooked.cluster) this.say(now, 'broker', `Broker ${id} has come`);
      const [was, is] = [known[id]?.silent, silent.get(id)];
      if (is !== undefined && was === undefined) this.say(now, 'broker', `Broker ${id} does not answer`);
      if (is === undefined && was !== undefined && !known[id]?.gone)
        this.say(now, 'broker', `Broker ${id} answers again after ${age(now - was)}`);
      known[id] = { host: escapeControls(host), port, ...(is === undefined ? {} : { silent: is }) };
    }
    for (const [id, broker] of Object.entries(known))
      if (!there.has(id) && !broker.gone) {
        known[id] = { ...broker, gone: now };
        this.say(now, 'broker', `Broker ${id} is gone`);
      }
    this.picture = { ...this.picture, brokers: known };
    this.sayController(controller, there, now);

    const topic = topics.find((one) => one.topic === this.picture.topic);
    if (!topic || topic.partitions.length === 0) this.topicMissing(now);
    else this.topicThere(topic.partitions, now);
    this.hasLooked.cluster = true;
  }

  /**
   * All groups of the cluster, as far as they are followed.
   *
   * @param unanswered groups whose coordinator gave no answer: of them nothing is known
   */
  groups(answers: GroupAnswer[], now: number, unanswered: ReadonlySet<string> = new Set()): void {
    const groups = { ...this.picture.groups };
    const there = new Set(unanswered);
    for (const answer of answers) {
      // An empty group of which nothing is left is as good as gone.
      if (answer.state === 'Dead') continue;
      const isOurs = answer.members.some(
        ({ topics, assignment }) => topics.includes(this.picture.topic) || this.picture.topic in assignment,
      );
      if (!isOurs && !groups[answer.id]) continue;
      there.add(answer.id);
      groups[answer.id] = this.group(answer, groups[answer.id], now);
      this.picture = { ...this.picture, groups: { ...groups } };
    }
    for (const [id, group] of Object.entries(groups)) {
      if (there.has(id)) continue;
      if (!group.gone) {
        groups[id] = { ...group, gone: now, state: 'Dead', members: {} };
        this.trails.delete(id);
        this.say(now, 'state', `${group.name} is gone: Kafka does not know the group any more`, {
          group: id,
        });
      } else if (now - group.gone > FADE_MS) delete groups[id];
    }
    this.picture = { ...this.picture, groups };
    this.hasLooked.groups = true;
  }

  /**
   * What a group has committed. To be told before the ends of the log are: what is committed then can't lie beyond.
   *
   * @param coordinator for a group that is not known yet: it has committed offsets of this topic, and no members
   */
  committed(id: string, answer: CommittedAnswer, coordinator: number, now: number): void {
    const committed = answer[this.picture.topic];
    let group = this.picture.groups[id];
    if (!group) {
      if (!committed || Object.keys(committed).length === 0) return;
      group = this.newGroup(id, 'Empty', coordinator, now);
    }
    if (group.gone) return;
    const offsets: Group['offsets'] = {};
    const begun: [partition: number, first: NonNullable<Offset['first']>][] = [];
    for (const [partition, offset] of Object.entries(committed ?? {})) {
      const before = group.offsets[partition];
      const seen = this.seenCommits(id, partition, offset);
      if (seen.first && !before?.first) begun.push([Number(partition), seen.first]);
      const after: Offset = { ...before, committed: offset, lag: before?.lag ?? 0, ...seen };
      if (before && offset < before.committed) {
        after.again = Math.max(before.committed, before.again ?? 0);
        const count = before.committed - offset;
        this.say(
          now,
          'rewound',
          `${group.name}: the committed offset of partition ${partition} goes back from ${before.committed} to ` +
            `${offset}: ${count === 1 ? '1 message is' : `${count} messages are`} delivered again`,
          { group: id },
        );
      }
      if (after.again !== undefined && offset >= after.again) delete after.again;
      offsets[partition] = before && sameOffset(before, after) ? before : after;
    }
    for (const sentence of describeFirsts(begun))
      this.say(now, 'committed', `${group.name}: ${sentence}`, { group: id });
    this.picture = { ...this.picture, groups: { ...this.picture.groups, [id]: { ...group, offsets } } };
  }

  /**
   * Each commit since the last call: of those, `committed` knows the last one only. To be told before it.
   *
   * @param isReadable whether they can be read at all; where not, the first one that is seen has to do
   */
  commits(commits: readonly Commit[], isReadable: boolean): void {
    this.areCommitsReadable = isReadable;
    for (const { group, topic, partition: id, offset, at } of commits) {
      if (topic !== this.picture.topic) continue;
      const { firsts, steps } = this.trail(group);
      const partition = String(id);
      if (!firsts.has(partition)) firsts.set(partition, this.first(partition, offset, at));
      const before = steps.get(partition)?.to ?? this.picture.groups[group]?.offsets[partition]?.committed;
      steps.set(partition, {
        to: offset,
        ...(before !== undefined && offset > before && { step: offset - before }),
      });
    }
  }

  private areCommitsReadable = false;

  /** What is known of a partition's commits, the first one told. */
  private seenCommits(id: string, partition: string, offset: number): Pick<Offset, 'first' | 'step'> {
    const { firsts, steps } = this.trail(id);
    // What was there at the first look began before.
    if (!this.hasLooked.log) firsts.set(partition, undefined);
    else if (!firsts.has(partition) && !this.areCommitsReadable)
      firsts.set(partition, this.first(partition, offset));
    const first = firsts.get(partition);
    const step = steps.get(partition)?.step;
    return { ...(first && { first }), ...(step && { step }) };
  }

  /** @param at when it was committed: what was sent later was not ahead of it then */
  private first(partition: string, offset: number, at = Number.POSITIVE_INFINITY): Offset['first'] {
    const { start = -1, end = -1 } = this.picture.partitions[partition] ?? {};
    const kept = this.messages[partition] ?? [];
    const aheadAt = (moment: number) => {
      const later = kept.find(({ timestamp }) => timestamp > moment);
      return Math.max(0, Math.min(end, later?.offset ?? end) - offset);
    };
    const ahead = aheadAt(at);
    if (ahead > 0 && offset <= start) return { offset, ahead, from: 'start' };
    if (aheadAt(at - STARTING_MS) === 0) return { offset, ahead: 0, from: 'end' };
    return { offset, ahead, from: 'between' };
  }

  /** What the leaders tell of the log: its ends, and the newest messages. */
  log(answers: LogAnswer[], now: number): void {
    this.answered(now);
    const partitions = { ...this.picture.partitions };
    for (const { partition, start, end, stable, records } of answers) {
      const before = partitions[partition];
      if (!before) continue;
      if (before.end >= 0 && start > before.start)
        this.say(now, 'topic', `Partition ${partition}: the messages before offset ${start} were deleted`);
      const after: Partition = { ...before, start, end };
      if (stable >= 0 && stable < end) after.stable = stable;
      else delete after.stable;
      partitions[partition] = after;
      if (records.length > 0) this.remember(partition, records);
    }
    this.picture = { ...this.picture, partitions };
    this.measure();
    this.hasLooked.log = true;
  }

  /** The timestamp of the message at an offset: how long the group's oldest has been waiting. */
  oldest(id: string, partition: number, committed: number, timestamp: number): void {
    const group = this.picture.groups[id];
    const offset = group?.offsets[partition];
    if (!group || !offset || offset.lag === 0 || timestamp < 0) return;
    this.trail(id).aged.set(String(partition), committed);
    const offsets = { ...group.offsets, [partition]: { ...offset, oldest: timestamp } };
    this.picture = { ...this.picture, groups: { ...this.picture.groups, [id]: { ...group, offsets } } };
  }

  /** The groups and offsets whose message's timestamp is not known: what lies there is the oldest unread one. */
  withoutAge(): { group: string; offsets: { partition: number; offset: number }[] }[] {
    return Object.entries(this.picture.groups)
      .map(([group, { offsets }]) => {
        const aged = this.trails.get(group)?.aged;
        return {
          group,
          offsets: Object.entries(offsets)
            .filter(([partition, { lag, committed }]) => lag > 0 && aged?.get(partition) !== committed)
            .map(([partition, { committed }]) => ({ partition: Number(partition), offset: committed })),
        };
      })
      .filter(({ offsets }) => offsets.length > 0);
  }

  private answered(now: number): void {
    const { silent, ...rest } = this.picture;
    if (!silent) return;
    this.picture = rest;
    this.say(now, 'kafka', `Kafka answers again after ${age(now - silent.since)}`);
  }

  /**
   * Kafka without ZooKeeper names any of its brokers as the controller, another one each time
   * (metadataCache.getControllerId of its brokers): then nothing is known of it.
   */
  private sayController(id: number, there: ReadonlySet<string>, now: number): void {
    const told = this.controllerTold;
    if (id < 0) return;
    if (told.id !== id && there.has(String(told.id))) told.changes++;
    told.times = told.id === id ? told.times + 1 : 1;
    told.id = id;
    if (told.changes > 1) {
      const { controller, ...rest } = this.picture;
      this.picture = rest;
      return;
    }
    if (there.size > 1 && told.times < SURE) return;
    const before = this.picture.controller;
    if (before !== undefined && before !== id)
      this.say(now, 'broker', `Broker ${id} is the controller now; before, it was ${before}`);
    this.picture = { ...this.picture, controller: id };
  }

  private readonly controllerTold = { id: -1, times: 0, changes: 0 };

  private topicMissing(now: number): void {
    if (this.picture.missing !== undefined) return;
    if (this.hasLooked.cluster && Object.keys(this.picture.partitions).length > 0)
      this.say(now, 'topic', `${this.picture.topic} was deleted`);
    else this.say(now, 'topic', `There is no topic ${this.picture.topic} yet`);
    for (const partition of Object.keys(this.messages)) delete this.messages[partition];
    this.picture = { ...this.picture, missing: now, partitions: {} };
  }

  private topicThere(answers: ClusterAnswer['topics'][number]['partitions'], now: number): void {
    const { missing, ...rest } = this.picture;
    const { topic, partitions: known } = this.picture;
    const count = answers.length === 1 ? '1 partition' : `${answers.length} partitions`;
    if (missing !== undefined) this.say(now, 'topic', `${topic} is there, with ${count}`);
    else if (this.hasLooked.cluster && answers.length > Object.keys(known).length)
      this.say(now, 'topic', `${topic} has ${count} now; before, it had ${Object.keys(known).length}`);
    const partitions: Picture['partitions'] = {};
    for (const { id, leader, replicas, isr } of answers) {
      const before = known[id];
      if (before) this.sayLeader(id, before.leader, leader, now);
      partitions[id] = {
        ...(before ?? { start: -1, end: -1 }),
        leader,
        replicas,
        isr: [...isr].sort(numerically),
      };
    }
    this.sayCopies(known, partitions, now);
    this.picture = { ...rest, partitions };
  }

  private sayLeader(id: number, before: number, leader: number, now: number): void {
    if (leader !== before)
      this.say(
        now,
        'leader',
        leader < 0
          ? `Partition ${id} has no leader: nothing can be written or read`
          : `Partition ${id}: broker ${leader} leads now${before < 0 ? '' : `; before, it was ${before}`}`,
      );
  }

  /** One sentence for all partitions of which a broker has fallen behind, or has a full copy again. */
  private sayCopies(before: Picture['partitions'], after: Picture['partitions'], now: number): void {
    for (const broker of Object.keys(this.picture.brokers).map(Number)) {
      const changed = (is: boolean) =>
        Object.entries(after).flatMap(([id, { isr }]) =>
          before[id] && before[id].isr.includes(broker) !== is && isr.includes(broker) === is
            ? Number(id)
            : [],
        );
      const [lost, back] = [changed(false), changed(true)];
      if (lost.length > 0)
        this.say(now, 'leader', `${capital(listed(lost))}: broker ${broker} is not in sync any more`);
      if (back.length > 0)
        this.say(now, 'leader', `${capital(listed(back))}: broker ${broker} is in sync again`);
    }
  }

  private newGroup(id: string, state: string, coordinator: number, now: number): Group {
    const name = this.nameOf(id);
    if (this.hasLooked.groups) this.say(now, 'state', `${name} is a new group`, { group: id });
    return { name, state, coordinator, members: {}, offsets: {}, lag: 0, rebalances: 0 };
  }

  private group(answer: GroupAnswer, before: Group | undefined, now: number): Group {
    const { id } = answer;
    const { gone, ...known } = before ?? this.newGroup(id, answer.state, answer.coordinator, now);
    const group: Group = { ...known, state: answer.state, coordinator: answer.coordinator };
    const isNew = before === undefined && !this.hasLooked.groups;
    const say = (kind: Happening['kind'], text: string, more: Partial<Happening> = {}) => {
      if (!isNew) this.say(now, kind, `${group.name}: ${text}`, { group: id, ...more });
    };
    if (gone) say('state', 'the group is back');
    if (before && before.coordinator !== answer.coordinator)
      say(
        'broker',
        `broker ${answer.coordinator} coordinates the group now; before, it was ${before.coordinator}`,
      );

    group.members = {};
    const earlier = before?.members ?? {};
    for (const { id: memberId, client, host, assignment } of answer.members) {
      const partitions = [...(assignment[this.picture.topic] ?? [])].sort(numerically);
      const member = earlier[memberId];
      group.members[memberId] = member
        ? { ...member, partitions }
        : { letter: this.letter(id), client: escapeControls(client), host: escapeControls(host), partitions };
      const { letter } = group.members[memberId] as Member;
      if (!member) say('member', `${letter} joined (${escapeControls(client)} at ${escapeControls(host)})`);
    }
    for (const [memberId, { letter }] of Object.entries(earlier))
      if (!group.members[memberId]) say('member', `${letter} left`);

    const trail = this.trail(id);
    const wasRebalancing = rebalances(known.state);
    if (rebalances(group.state)) {
      if (wasRebalancing) return group;
      trail.rebalancingSince = now;
      group.rebalances++;
      say('state', 'a rebalance begins: its partitions are dealt out anew');
      return group;
    }
    const hasChanged = Object.keys({ ...earlier, ...group.members }).some(
      (member) => !earlier[member] || !group.members[member],
    );
    if (wasRebalancing) say('state', `the rebalance is over after ${age(now - trail.rebalancingSince)}`);
    else if (hasChanged && trail.owners.size > 0) {
      // It was over between two questions.
      group.rebalances++;
      say('state', 'a rebalance: its partitions are dealt out anew');
    }
    for (const [memberId, { letter: to, partitions }] of Object.entries(group.members)) {
      const fresh: number[] = [];
      for (const partition of partitions) {
        const owner = trail.owners.get(partition);
        if (owner?.member === memberId) continue;
        trail.owners.set(partition, { member: memberId, letter: to });
        if (owner === undefined) fresh.push(partition);
        else
          say('assigned', `partition ${partition} moves from ${owner.letter} to ${to}`, {
            move: { partition, from: owner.letter, to },
          });
      }
      if (fresh.length > 0)
        say('assigned', `${listed(fresh)} ${fresh.length === 1 ? 'goes' : 'go'} to ${to}`);
    }
    if (before && group.state === 'Empty' && known.state !== 'Empty')
      say('state', 'nobody is left in the group; its offsets stay');
    return group;
  }

  /** The group's id without the end that makes it the only one of its name, where it is the only one anyway. */
  private nameOf(id: string): string {
    const [, base = id, random] = RANDOM_END.exec(id) ?? [];
    const isTaken = Object.values(this.picture.groups).some((group) => group.name === base && !group.gone);
    return escapeControls(random && isTaken ? `${base}-${random}` : base);
  }

  private trail(id: string): Trail {
    const trail = this.trails.get(id) ?? {
      owners: new Map(),
      letters: 0,
      rebalancingSince: 0,
      aged: new Map(),
      firsts: new Map(),
      steps: new Map(),
    };
    this.trails.set(id, trail);
    return trail;
  }

  /** a to z, then aa, ab and so on. */
  private letter(group: string): string {
    let letter = '';
    for (let number = this.trail(group).letters++; number >= 0; number = Math.floor(number / 26) - 1)
      letter = String.fromCharCode(97 + (number % 26)) + letter;
    return letter;
  }

  private remember(partition: number, records: LogAnswer['records']): void {
    const kept = this.messages[partition] ?? [];
    const from = (kept.at(-1)?.offset ?? -1) + 1;
    const messages = records.filter(({ offset }) => offset >= from).map(asMessage);
    const limit = Math.max(
      MESSAGES_PER_PARTITION,
      Math.floor(MESSAGES / Math.max(1, Object.keys(this.picture.partitions).length)),
    );
    this.messages[partition] = [...kept, ...messages].slice(-limit);
    this.news.messages[partition] = [...(this.news.messages[partition] ?? []), ...messages].slice(-limit);
  }

  /** The lags, of what is committed and of the ends; the ages of what we have seen ourselves. */
  private measure(): void {
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
          this.trail(id).aged.set(partition, offset.committed);
        }
        lag += after.lag;
        offsets[partition] = sameOffset(offset, after) ? offset : after;
      }
      groups[id] = { ...group, offsets, lag };
    }
    this.picture = { ...this.picture, groups };
  }

  private timestampAt(partition: string, offset: number): number | undefined {
    const kept = this.messages[partition] ?? [];
    const guess = kept[offset - (kept[0]?.offset ?? 0)];
    const message = guess?.offset === offset ? guess : kept.find((one) => one.offset === offset);
    return message && message.timestamp >= 0 ? message.timestamp : undefined;
  }

  private say(at: number, kind: Happening['kind'], text: string, more: Partial<Happening> = {}): void {
    const happening: Happening = { at, kind, text: escapeControls(text), ...more };
    this.happenings.push(happening);
    if (this.happenings.length > HAPPENINGS) this.happenings.shift();
    this.news.happenings.push(happening);
  }
}

export function rebalances(state: string): boolean {
  return state === 'PreparingRebalance' || state === 'CompletingRebalance';
}

function asMessage({ offset, timestamp, value }: LogAnswer['records'][number]): Message {
  if (value === null) return { offset, timestamp, bytes: 0 };
  // Four bytes are the longest character: a large value costs no more than a small one.
  const start = [...value.subarray(0, SHOWN * 4).toString()].slice(0, SHOWN).join('');
  return { offset, timestamp, value: escapeControls(start), bytes: value.length };
}

function sameOffset(one: Offset, other: Offset): boolean {
  return (
    one.committed === other.committed &&
    one.lag === other.lag &&
    one.oldest === other.oldest &&
    one.step === other.step &&
    one.first?.offset === other.first?.offset &&
    one.again === other.again
  );
}

/** What a group began with, in a sentence for all its partitions where it is the same. */
function* describeFirsts(begun: [partition: number, first: NonNullable<Offset['first']>][]) {
  for (const kind of ['start', 'end', 'between'] as const) {
    const alike = begun.filter(([, { from }]) => from === kind);
    const [one] = alike;
    if (!one) continue;
    const ahead = alike.reduce((sum, [, first]) => sum + first.ahead, 0);
    const messages = ahead === 1 ? '1 message' : `${ahead} messages`;
    const where = listed(alike.map(([partition]) => partition));
    const isOne = alike.length === 1;
    const what = isOne
      ? `its first commit of ${where} is offset ${one[1].offset}`
      : `its first commits of ${where} are`;
    yield {
      start: `${what}${isOne ? ', the oldest there is' : ' at the oldest there is'}: ${messages} to replay`,
      end: `${what}${isOne ? ', the end' : ' at the end'}: only what comes now`,
      between: `${what}${isOne ? '' : ' in between'}: ${messages} to catch up with`,
    }[kind];
  }
}

/** "partition 3", "partitions 0 to 2, 5". */
function listed(partitions: number[]): string {
  const runs: [from: number, to: number][] = [];
  for (const partition of [...partitions].sort(numerically)) {
    const last = runs.at(-1);
    if (last && last[1] === partition - 1) last[1] = partition;
    else runs.push([partition, partition]);
  }
  const names = runs.map(([from, to]) => (from === to ? from : `${from} to ${to}`));
  return `${partitions.length === 1 ? 'partition' : 'partitions'} ${names.join(', ')}`;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

const numerically = (one: number, other: number) => one - other;

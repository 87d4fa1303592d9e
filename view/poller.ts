/** Asks Kafka, round by round, and tells the models what it answers. The rounds never overlap. */

import { lastLine, says } from '../lib/client/errors';
import { sleep, unlessStopped } from '../lib/process/service';
import { Brokers } from './brokers';
import { CommitTail, OFFSETS_TOPIC } from './commits';
import { Model } from './model';
import { type Cost, diff, type Picture, type Snapshot, type Tick } from './picture';
import type { ClusterReader, CommittedAnswer, GroupAnswer, LogAnswer } from './reader';
import { OK } from './reader';

/** How often is asked for what, in ms: while somebody watches, and while nobody does. */
const WATCHED = {
  round: 200,
  cluster: 1000,
  topics: 10_000,
  list: 1000,
  describe: 500,
  others: 5000,
  ages: 1000,
};
const UNWATCHED = {
  round: 5000,
  cluster: 15_000,
  topics: 60_000,
  list: 15_000,
  describe: 15_000,
  others: 60_000,
  ages: 15_000,
};
type Question = keyof typeof WATCHED;

/** A broker with nothing new waits so long, in ms, before it says so. */
const FETCH_WAIT_MS = 200;
/** The newest messages, in bytes, of all partitions in a round. */
const FETCH_BYTES = 65_536;
/** How far back the first look goes, and where to jump to when messages come faster than they can be shown. */
const NEWEST = 50;
const TOO_FAR_BEHIND = 500;
/** Of so many groups the age is looked up, in each second. */
const LOOK_UPS = 10;
/** More groups than these are not followed. */
const GROUPS = 50;
/** A topic that nobody watches any more is forgotten after so long, in ms. */
const FORGET_MS = 60_000;
/** Of several brokers one hands its groups to another: so long, in ms, one that none of them has is not gone. */
const HANDOVER_MS = 10_000;
/** What no answer has come for is tried so many times. */
const TRIES = 5;
const OFFSET_OUT_OF_RANGE = 1;

/** A topic that is looked at. */
class Watched {
  readonly model: Model;
  /** The picture as it was last told. */
  told: Picture;
  watchers = 0;
  unwatchedSince = Date.now();
  /** The offset to be fetched next, by partition, and how often it was asked for in vain. */
  readonly positions = new Map<number, { offset: number; tries: number }>();

  constructor(topic: string) {
    this.model = new Model(topic, Date.now());
    this.told = this.model.picture;
  }
}

export class Poller {
  /** Told after each round, of each topic that is looked at. */
  onTick: (topic: string, tick: Tick) => void = () => {};
  /** Told when Kafka falls silent, with the reason, and when it answers again, without. */
  onSilence: (reason: string | undefined) => void = () => {};
  private topics: string[] = [];
  private groupsLeftOut = 0;
  private readonly watched = new Map<string, Watched>();
  /** The coordinator of each group. */
  private coordinators = new Map<string, number>();
  private readonly asked = new Map<Question, number>();
  private wake = () => {};
  private isSilent = false;
  private requests = 0;
  private cost = { since: Date.now(), requests: 0, rate: 0 };

  /** @param topic is followed also while nobody watches */
  constructor(
    readonly topic: string,
    createReader: (onRequest: () => void) => ClusterReader,
  ) {
    this.reader = createReader(() => this.requests++);
    this.brokers = new Brokers(this.reader, () => this.asked.delete('cluster'));
    this.commits = new CommitTail(this.reader, this.brokers);
    this.watched.set(topic, new Watched(topic));
  }

  private readonly reader: ClusterReader;
  private readonly brokers: Brokers;
  private readonly commits: CommitTail;

  /** Somebody looks at the topic; the function that is given ends that. */
  watch(topic: string): () => void {
    const watched = this.watched.get(topic) ?? new Watched(topic);
    this.watched.set(topic, watched);
    watched.watchers++;
    this.asked.clear();
    this.wake();
    return () => {
      watched.watchers--;
      watched.unwatchedSince = Date.now();
    };
  }

  /** All that is known of the topic; undefined where nobody has asked for it. */
  snapshot(topic: string): Snapshot | undefined {
    const watched = this.watched.get(topic);
    if (!watched) return undefined;
    const { model } = watched;
    return {
      now: Date.now(),
      picture: model.picture,
      topics: this.topics,
      groupsLeftOut: this.groupsLeftOut,
      messages: model.messages,
      happenings: model.happenings,
      past: model.memory.past,
      cost: this.costNow(),
    };
  }

  /** Goes on until the service is to stop; then it leaves the connections to the end of the process. */
  async run(stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted) {
      const begin = Date.now();
      await unlessStopped(stopping, this.round());
      if (stopping.aborted) return;
      const pause = new AbortController();
      this.wake = () => pause.abort();
      const untilNext = begin + (this.isSilent ? WATCHED.describe : this.every('round')) - Date.now();
      // Somebody may have come while the round went on.
      if (untilNext > 0) await sleep(untilNext, AbortSignal.any([pause.signal, stopping]));
    }
  }

  /** What the answers say is told in one go, when all have come: one picture, of one moment. */
  private async round(): Promise<void> {
    const tell: Tell = [];
    try {
      await this.askForCluster(tell);
      const commits = await this.commits.read();
      if (commits.some(({ group }) => !this.coordinators.has(group))) this.asked.delete('list');
      await this.askForGroups(tell);
      // In this order: what is committed can't lie beyond an end that is asked for afterwards.
      tell.push((model) => model.commits(commits, this.commits.isReadable));
      await this.askForCommitted(tell);
      await this.askForLogs(tell);
      await this.askForAges(tell);
      this.setSilent(undefined);
    } catch (error) {
      this.asked.clear();
      const message = lastLine(error) ?? says(error as Error);
      tell.length = 0;
      tell.push((model, now) => model.silent(message, now));
      this.setSilent(message);
    }
    const now = Date.now();
    for (const [topic, watched] of this.watched) {
      const { model } = watched;
      for (const one of tell) one(model, now);
      const change = diff(watched.told, model.picture);
      watched.told = model.picture;
      this.onTick(topic, { now, change, ...model.takeNews(now), cost: this.costNow() });
      if (topic !== this.topic && watched.watchers === 0 && now - watched.unwatchedSince > FORGET_MS)
        this.watched.delete(topic);
    }
  }

  private async askForCluster(tell: Tell): Promise<void> {
    if (this.isDue('topics')) {
      const { topics } = await this.reader.describeCluster();
      this.topics = topics
        .filter(({ internal }) => !internal)
        .map(({ topic }) => topic)
        .sort();
    }
    if (!this.isDue('cluster')) return;
    const answer = await this.reader.describeCluster([...this.watched.keys(), OFFSETS_TOPIC]);
    this.brokers.ids = answer.brokers.map(({ id }) => id);
    this.commits.lead(answer.topics);
    const silent = new Map(this.brokers.silent);
    tell.push((model, now) => model.cluster(answer, now, silent));
  }

  private async askForGroups(tell: Tell): Promise<void> {
    if (this.isDue('list')) {
      const lists = await this.brokers.ofEach(async (id) => [id, await this.reader.listGroups(id)] as const);
      const coordinators = new Map(
        lists.flatMap(([id, groups]) => groups.map((group) => [group, id] as const)),
      );
      const now = Date.now();
      for (const group of coordinators.keys()) this.listed.set(group, now);
      if (this.brokers.ids.length > 1)
        for (const [group, id] of this.coordinators)
          if (!coordinators.has(group) && now - (this.listed.get(group) ?? 0) < HANDOVER_MS)
            coordinators.set(group, id);
      for (const group of this.listed.keys()) if (!coordinators.has(group)) this.listed.delete(group);
      const shown = this.shownGroups();
      const followed = [...coordinators]
        .sort(([one], [other]) => Number(shown.has(other)) - Number(shown.has(one)) || (one < other ? -1 : 1))
        .slice(0, GROUPS);
      this.groupsLeftOut = coordinators.size - followed.length;
      if (followed.some(([group]) => !this.coordinators.has(group))) this.asked.delete('describe');
      this.coordinators = new Map(followed);
    }
    if (!this.isDue('describe')) return;
    const unanswered = new Set(this.coordinators.keys());
    const answers = await this.brokers.ofEach(async (id): Promise<GroupAnswer[]> => {
      const groups = [...this.coordinators].filter(([, broker]) => broker === id).map(([group]) => group);
      return groups.length > 0 ? await this.reader.describeGroups(id, groups) : [];
    });
    for (const { id } of answers.flat()) unanswered.delete(id);
    tell.push((model, now) => model.groups(answers.flat(), now, unanswered));
  }

  /** When each group was in a list last, in ms since 1970. */
  private readonly listed = new Map<string, number>();

  /** Of the groups that are shown, each time; of the others, now and then: they may have come to the topic. */
  private async askForCommitted(tell: Tell): Promise<void> {
    const shown = this.shownGroups();
    const withOthers = this.isDue('others');
    const groups = [...this.coordinators].filter(
      ([group]) => shown.has(group) || withOthers || !this.othersAsked.has(group),
    );
    const answers: [string, CommittedAnswer, number][] = [];
    await Promise.all(
      groups.map(async ([group, broker]) => {
        const answer = await this.brokers.of(broker, (id) => this.reader.fetchCommitted(id, group));
        this.othersAsked.add(group);
        if (answer) answers.push([group, answer, broker]);
      }),
    );
    for (const group of this.othersAsked) if (!this.coordinators.has(group)) this.othersAsked.delete(group);
    for (const [group, answer, broker] of answers)
      tell.push((model, now) => model.committed(group, answer, broker, now));
  }

  private readonly othersAsked = new Set<string>();

  private async askForLogs(tell: Tell): Promise<void> {
    const isWatched = this.isWatched();
    await Promise.all(
      [...this.watched].map(async ([topic, watched]) => {
        const answers: LogAnswer[] = [];
        await this.brokers.ofEach(async (broker) => {
          const partitions = Object.entries(watched.model.picture.partitions)
            .filter(([, { leader }]) => leader === broker)
            .map(([partition]) => Number(partition));
          if (partitions.length > 0)
            answers.push(
              ...(await this.askLeader(broker, topic, partitions, watched, isWatched ? FETCH_WAIT_MS : 0)),
            );
        });
        tell.push((model, now) => {
          if (model === watched.model) model.log(answers, now);
        });
      }),
    );
  }

  private async askLeader(
    broker: number,
    topic: string,
    partitions: number[],
    { model, positions }: Watched,
    maxWaitMs: number,
  ): Promise<LogAnswer[]> {
    const unknown = partitions.filter((partition) => !positions.has(partition));
    if (unknown.length > 0)
      for (const [partition, { start, end }] of await this.reader.fetchEnds(broker, topic, unknown))
        positions.set(partition, { offset: Math.max(start, end - NEWEST), tries: 0 });
    const asked = partitions.flatMap((partition) => {
      const position = positions.get(partition);
      if (!position) return [];
      const end = model.picture.partitions[partition]?.end ?? 0;
      if (end - position.offset > TOO_FAR_BEHIND) position.offset = end - NEWEST;
      return [{ partition, offset: position.offset }];
    });
    if (asked.length === 0) return [];
    const maxBytes = Math.max(2048, Math.floor(FETCH_BYTES / asked.length));
    const answers = await this.reader.fetch(broker, topic, asked, { maxWaitMs, maxBytes });
    for (const { partition, error, next, stable, end } of answers) {
      const position = positions.get(partition);
      if (error === OFFSET_OUT_OF_RANGE) positions.delete(partition);
      else if (error !== OK) this.asked.delete('cluster');
      else if (position && next !== undefined) positions.set(partition, { offset: next, tries: 0 });
      // More than one broker sends in one answer, or nothing that is a message: it is passed over in the end.
      else if (position && (stable < 0 ? end : stable) > position.offset && ++position.tries >= TRIES)
        positions.set(partition, { offset: stable, tries: 0 });
    }
    return answers.filter(({ error }) => error === OK);
  }

  /** How long the oldest message that a group has yet to read has been there: looked up where we have not seen it. */
  private async askForAges(tell: Tell): Promise<void> {
    if (!this.isDue('ages')) return;
    for (const [topic, { model }] of this.watched) {
      const waiting = model.withoutAge();
      // Not the same ones each time, where they are too many.
      const from = Math.floor(Math.random() * waiting.length);
      for (const { group, offsets } of [...waiting.slice(from), ...waiting.slice(0, from)].slice(0, LOOK_UPS))
        await this.brokers.ofEach(async (broker) => {
          const led = offsets.filter(
            ({ partition }) => model.picture.partitions[partition]?.leader === broker,
          );
          if (led.length === 0) return;
          const answers = await this.reader.fetch(broker, topic, led, { maxWaitMs: 0, maxBytes: 2048 });
          for (const { partition, records } of answers) {
            const { offset } = led.find((one) => one.partition === partition) ?? {};
            const [record] = records;
            if (record && offset !== undefined)
              tell.push((one) => one === model && one.oldest(group, partition, offset, record.timestamp));
          }
        });
    }
  }

  private shownGroups(): Set<string> {
    return new Set([...this.watched.values()].flatMap(({ model }) => Object.keys(model.picture.groups)));
  }

  private isWatched(): boolean {
    return this.watchers() > 0;
  }

  private watchers(): number {
    return [...this.watched.values()].reduce((sum, { watchers }) => sum + watchers, 0);
  }

  private every(question: Question): number {
    return (this.isWatched() ? WATCHED : UNWATCHED)[question];
  }

  private isDue(question: Question): boolean {
    const now = Date.now();
    // The rounds before were a little late, or early.
    if (now - (this.asked.get(question) ?? 0) < this.every(question) - WATCHED.round / 2) return false;
    this.asked.set(question, now);
    return true;
  }

  private costNow(): Cost {
    const now = Date.now();
    const passed = now - this.cost.since;
    if (passed >= 1000)
      this.cost = {
        since: now,
        requests: this.requests,
        rate: ((this.requests - this.cost.requests) * 1000) / passed,
      };
    return { requests: Math.round(this.cost.rate * 10) / 10, watchers: this.watchers() };
  }

  private setSilent(reason: string | undefined): void {
    if (this.isSilent === (reason !== undefined)) return;
    this.isSilent = reason !== undefined;
    this.onSilence(reason);
  }
}

type Tell = ((model: Model, now: number) => unknown)[];

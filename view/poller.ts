/** Asks Kafka, round by round, and tells the models what it answers. The rounds never overlap. */

import { lastLine, OK, says } from '../lib/client/errors';
import { sleep, unlessStopped } from '../lib/process/service';
import type { Answers } from './answers';
import { Brokers } from './brokers';
import { CommitTail, OFFSETS_TOPIC } from './commits';
import { Model, type News } from './model';
import type { Snapshot, Tick } from './picture';
import type { ClusterReader, GroupAnswer, LogAnswer } from './reader';
import { Rhythm } from './rhythm';

/** A Kafka that does not answer is asked again after so long, in ms. */
const SILENT_ROUND_MS = 500;
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
/** Of several brokers one hands its groups to another, and one that has just started knows nothing yet: so long, in ms, what none of them has is not gone. */
const HANDOVER_MS = 10_000;
const STARTING = new Error('it has just started, and does not know its topics yet');
/** What no answer has come for is tried so many times. */
const TRIES = 5;
const OFFSET_OUT_OF_RANGE = 1;

/** A topic that is looked at. */
class Watched {
  readonly model: Model;
  watchers = 0;
  unwatchedSince = Date.now();
  /** The offset to be fetched next, by partition, and how often it was asked for in vain. */
  readonly positions = new Map<number, { offset: number; tries: number }>();

  constructor(topic: string) {
    this.model = new Model(topic, Date.now());
  }
}

/** What a round has learnt of all topics, and of each. */
type Learnt = Omit<Answers, 'now' | 'logs' | 'ages'>;
type LearntOf = Pick<Answers, 'logs' | 'ages'>;

export class Poller {
  /** Told after each round, of each topic that is looked at. */
  onTick: (topic: string, tick: Tick) => void = () => {};
  /** Told when Kafka falls silent, with the reason, and when it answers again, without. */
  onSilence: (reason: string | undefined) => void = () => {};
  private readonly brokers: Brokers;
  private readonly commits: CommitTail;
  private topics: string[] = [];
  private groupsLeftOut = 0;
  private readonly watched = new Map<string, Watched>();
  /** The coordinator of each group that is followed. */
  private coordinators = new Map<string, number>();
  /** When each group was in a list last, in ms since 1970. */
  private readonly listed = new Map<string, number>();
  /** Groups that were asked once what they have committed, whatever they read. */
  private readonly othersAsked = new Set<string>();
  private readonly rhythm = new Rhythm(() => this.watchers() > 0);
  private wake = () => {};
  private isSilent = false;
  /** Since when Kafka has answered without a break, in ms since 1970; undefined where it does not. */
  private answersSince: number | undefined = 0;

  /** @param topic is followed also while nobody watches */
  constructor(
    readonly topic: string,
    private readonly reader: ClusterReader,
  ) {
    this.brokers = new Brokers(reader, () => this.rhythm.forget('cluster'));
    this.commits = new CommitTail(reader, this.brokers);
    this.watched.set(topic, new Watched(topic));
  }

  /** Somebody looks at the topic; the function that is given ends that. */
  watch(topic: string): () => void {
    const watched = this.watched.get(topic) ?? new Watched(topic);
    this.watched.set(topic, watched);
    watched.watchers++;
    this.rhythm.forget();
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
      heard: model.heard,
      picture: model.picture,
      topics: this.topics,
      groupsLeftOut: this.groupsLeftOut,
      messages: model.messages,
      happenings: model.story.happenings,
      past: model.memory.past,
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
      const untilNext = begin + (this.isSilent ? SILENT_ROUND_MS : this.rhythm.every('round')) - Date.now();
      // Somebody may have come while the round went on.
      if (untilNext > 0) await sleep(untilNext, AbortSignal.any([pause.signal, stopping]));
    }
  }

  /** What the answers say is told in one go, when all have come: one picture, of one moment. */
  private async round(): Promise<void> {
    try {
      const learnt = await this.learn();
      const of = new Map<Watched, LearntOf>();
      await Promise.all(
        [...this.watched].map(async ([topic, watched]) =>
          of.set(watched, await this.learnOf(topic, watched)),
        ),
      );
      const now = Date.now();
      this.setSilent(undefined);
      for (const [topic, watched] of this.watched) {
        const { logs, ages } = of.get(watched) ?? { logs: [], ages: [] };
        this.tell(topic, watched, now, watched.model.apply({ ...learnt, logs, ages, now }));
      }
    } catch (error) {
      this.rhythm.forget();
      if (error !== STARTING) this.answersSince = undefined;
      const now = Date.now();
      const refusal = lastLine(error);
      this.setSilent(refusal ?? says(error as Error));
      for (const [topic, watched] of this.watched)
        this.tell(topic, watched, now, watched.model.fallSilent(refusal, now));
    }
  }

  private tell(topic: string, { model, watchers, unwatchedSince }: Watched, now: number, news: News): void {
    this.onTick(topic, { now, heard: model.heard, ...news });
    if (topic !== this.topic && watchers === 0 && now - unwatchedSince > FORGET_MS)
      this.watched.delete(topic);
  }

  private async learn(): Promise<Learnt> {
    const cluster = await this.askForCluster();
    const written = await this.commits.read();
    if (written.some(({ group }) => !this.coordinators.has(group))) this.rhythm.forget('list');
    const groups = await this.askForGroups();
    const committed = await this.askForCommitted();
    return {
      ...(cluster && { cluster }),
      silent: this.brokers.silent(),
      ...(groups && { groups }),
      written,
      isWrittenReadable: this.commits.isReadable,
      committed,
    };
  }

  private async learnOf(topic: string, watched: Watched): Promise<LearntOf> {
    const logs = await this.askForLogs(topic, watched);
    return {
      logs,
      ages: this.rhythm.isDue('ages', topic) ? await this.askForAges(topic, watched.model) : [],
    };
  }

  private async askForCluster(): Promise<Answers['cluster']> {
    if (this.rhythm.isDue('topics')) {
      const { topics } = await this.reader.describeCluster();
      this.topics = topics
        .filter(({ internal }) => !internal)
        .map(({ topic }) => topic)
        .sort();
    }
    if (!this.rhythm.isDue('cluster')) return undefined;
    const answer = await this.reader.describeCluster([...this.watched.keys(), OFFSETS_TOPIC]);
    this.answersSince ??= Date.now();
    if (this.hasJustStarted() && [...this.watched.values()].some(({ model }) => model.misses(answer)))
      throw STARTING;
    this.brokers.ids = answer.brokers.map(({ id }) => id);
    this.commits.lead(answer.topics);
    return answer;
  }

  private async askForGroups(): Promise<Answers['groups']> {
    if (this.rhythm.isDue('list')) await this.askForList();
    if (!this.rhythm.isDue('describe')) return undefined;
    const unanswered = new Set(this.coordinators.keys());
    const answers = await this.brokers.ofEach(async (id): Promise<GroupAnswer[]> => {
      const groups = [...this.coordinators].filter(([, broker]) => broker === id).map(([group]) => group);
      return groups.length > 0 ? await this.reader.describeGroups(id, groups) : [];
    });
    const described = answers.flat();
    for (const { id } of described) unanswered.delete(id);
    return { described, unanswered };
  }

  private async askForList(): Promise<void> {
    const lists = await this.brokers.ofEach(async (id) => [id, await this.reader.listGroups(id)] as const);
    if (lists.length === 0) return;
    const coordinators = new Map(
      lists.flatMap(([id, groups]) => groups.map((group) => [group, id] as const)),
    );
    const now = Date.now();
    for (const group of coordinators.keys()) this.listed.set(group, now);
    const isStarting = this.hasJustStarted();
    for (const [group, id] of this.coordinators) {
      const isLeftOut = this.brokers.ids.length > 1 && now - (this.listed.get(group) ?? 0) < HANDOVER_MS;
      if (!coordinators.has(group) && (isStarting || isLeftOut)) coordinators.set(group, id);
    }
    for (const group of this.listed.keys()) if (!coordinators.has(group)) this.listed.delete(group);
    const shown = this.shownGroups();
    const followed = [...coordinators]
      .sort(([one], [other]) => Number(shown.has(other)) - Number(shown.has(one)) || (one < other ? -1 : 1))
      .slice(0, GROUPS);
    this.groupsLeftOut = coordinators.size - followed.length;
    if (followed.some(([group]) => !this.coordinators.has(group))) this.rhythm.forget('describe');
    this.coordinators = new Map(followed);
  }

  /** Of the groups that are shown, each time; of the others, now and then: they may have come to the topic. */
  private async askForCommitted(): Promise<Answers['committed']> {
    const shown = this.shownGroups();
    const withOthers = this.rhythm.isDue('others');
    const groups = [...this.coordinators].filter(
      ([group]) => shown.has(group) || withOthers || !this.othersAsked.has(group),
    );
    const answers: Answers['committed'] = [];
    await Promise.all(
      groups.map(async ([group, coordinator]) => {
        const offsets = await this.brokers.of(coordinator, (id) => this.reader.fetchCommitted(id, group));
        this.othersAsked.add(group);
        if (offsets) answers.push({ group, coordinator, offsets });
      }),
    );
    for (const group of this.othersAsked) if (!this.coordinators.has(group)) this.othersAsked.delete(group);
    return answers;
  }

  private async askForLogs(topic: string, watched: Watched): Promise<LogAnswer[]> {
    const maxWaitMs = this.watchers() > 0 ? FETCH_WAIT_MS : 0;
    const answers = await this.brokers.ofEach(async (broker) => {
      const partitions = Object.entries(watched.model.picture.partitions)
        .filter(([, { leader }]) => leader === broker)
        .map(([partition]) => Number(partition));
      return partitions.length > 0 ? await this.askLeader(broker, topic, partitions, watched, maxWaitMs) : [];
    });
    return answers.flat();
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
      else if (error !== OK) this.rhythm.forget('cluster');
      else if (position && next !== undefined) positions.set(partition, { offset: next, tries: 0 });
      // More than one broker sends in one answer, or nothing that is a message: it is passed over in the end.
      else if (position && (stable < 0 ? end : stable) > position.offset && ++position.tries >= TRIES)
        positions.set(partition, { offset: stable, tries: 0 });
    }
    return answers.filter(({ error }) => error === OK);
  }

  /** Since when the oldest message that a group has not committed is there: looked up where we have not seen it. */
  private async askForAges(topic: string, model: Model): Promise<Answers['ages']> {
    const ages: Answers['ages'] = [];
    const waiting = model.withoutAge();
    // Not the same ones each time, where they are too many.
    const from = Math.floor(Math.random() * waiting.length);
    for (const { group, offsets } of [...waiting.slice(from), ...waiting.slice(0, from)].slice(0, LOOK_UPS))
      await this.brokers.ofEach(async (broker) => {
        const led = offsets.filter(({ partition }) => model.picture.partitions[partition]?.leader === broker);
        if (led.length === 0) return;
        const answers = await this.reader.fetch(broker, topic, led, { maxWaitMs: 0, maxBytes: 2048 });
        for (const { partition, records } of answers) {
          const { offset } = led.find((one) => one.partition === partition) ?? {};
          const [record] = records;
          if (record && offset !== undefined)
            ages.push({ group, partition, offset, timestamp: record.timestamp });
        }
      });
    return ages;
  }

  private hasJustStarted(): boolean {
    return this.answersSince === undefined || Date.now() - this.answersSince < HANDOVER_MS;
  }

  private shownGroups(): Set<string> {
    return new Set([...this.watched.values()].flatMap(({ model }) => Object.keys(model.picture.groups)));
  }

  private watchers(): number {
    return [...this.watched.values()].reduce((sum, { watchers }) => sum + watchers, 0);
  }

  private setSilent(reason: string | undefined): void {
    if (this.isSilent === (reason !== undefined)) return;
    this.isSilent = reason !== undefined;
    this.onSilence(reason);
  }
}

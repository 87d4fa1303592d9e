/** A member's life in its group: it joins, fetches, has records handled, commits, beats; joins anew; at last it leaves. */
import { Cluster } from '../client/cluster';
import { check, type KafkaError, kindOf, lastLine, named, OK } from '../client/errors';
import { type FetchedPartition, fetch, findStandstills } from '../client/fetch';
import { FetchedRecords } from '../client/records';
import { Topic } from '../client/topic';
import { UnreadableRecords } from '../client/unreadable';
import { Commits } from '../handling/commits';
import { HandlerFailed } from '../handling/handler';
import type { MakeWorker, Worker } from '../handling/worker';
import { print, sleep, unlessStopped } from '../process/service';
import type { ConsumerConfig } from '../settings/settings';
import { Trouble } from '../trouble/trouble';
import { Assigner } from './assigner';
import { Coordinator } from './coordinator';
import { Generation } from './generation';
import { Goodbye } from './goodbye';
import { followLeaders } from './leaders';
import { Starts } from './starts';

const HEARTBEAT_MS = 1000;
/** A fetch waits so long for messages, in ms, and brings so many bytes at the most: memory is small. */
const FETCH = { maxWaitMs: 500, maxBytes: 1_048_576, maxBytesOfEach: 1_048_576 };
/** These need a new start. */
const TO_START_ANEW = ['OFFSET_OUT_OF_RANGE', 'UNKNOWN_TOPIC_OR_PARTITION'];
/** The group is to deal anew, which it does when a member joins again that says so. */
const OTHER_PARTITIONS = named('REBALANCE_IN_PROGRESS', 'The topic has other partitions');

/** What a member does with its partitions from where they start. What is not committed at its end comes again. */
interface Part {
  commits: Commits;
  worker: Worker;
  /** The offset to be fetched next, by partition. */
  positions: Map<number, number>;
}

export class Member {
  private readonly trouble: Trouble;
  private readonly cluster: Cluster;
  private readonly coordinator: Coordinator;
  private readonly topic: Topic;
  private readonly starts: Starts;
  private readonly assigner: Assigner;
  private readonly goodbye: Goodbye;
  private readonly failed = new AbortController();
  /** Aborted when the service is to stop, or something has failed for good: nothing more is taken. */
  private readonly ending: AbortSignal;
  /** The name by which the coordinator knows us. */
  private memberId = '';
  private generation: Generation | undefined;
  private part: Part | undefined;
  /** Our partitions, as we were told last; undefined before the first time. */
  private assigned: readonly number[] | undefined;
  /** Records on their way to the worker. */
  private taking: Promise<unknown> = Promise.resolve();

  /**
   * @param makeWorker makes what handles the records of a part, and reports to its commits
   * @param failure fails when the handler has
   */
  constructor(
    private readonly config: ConsumerConfig,
    stopping: AbortSignal,
    private readonly makeWorker: MakeWorker,
    private readonly failure: Promise<never>,
  ) {
    this.ending = AbortSignal.any([stopping, this.failed.signal]);
    this.trouble = new Trouble(config.brokers, this.ending);
    this.cluster = new Cluster(config, this.trouble.hear);
    this.coordinator = new Coordinator(this.cluster, config);
    this.topic = new Topic(this.cluster, config);
    this.starts = new Starts(config, this.topic);
    this.assigner = new Assigner(this.cluster);
    this.goodbye = new Goodbye(this.ending, this.trouble, () => this.cluster.close());
  }

  /**
   * Lives in the group until the service is to stop, or something fails for good; then leaves it.
   *
   * @throws Error of one line for what trying again can't mend, or of the handler
   */
  async run(): Promise<void> {
    try {
      await Promise.race([this.live(), this.failure]);
      await Promise.race([this.part?.worker.drain(), this.failure]);
    } catch (error) {
      throw error instanceof HandlerFailed ? error : new Error(lastLine(error));
    } finally {
      this.failed.abort();
      await this.leave();
    }
  }

  /** One generation of the group after the other. */
  private async live(): Promise<void> {
    while (!this.ending.aborted) {
      try {
        await this.ensureTopic();
        await this.starts.remember();
        const generation = await this.join();
        if (generation) await this.work(generation);
      } catch (error) {
        const { type, memberId } = error as KafkaError & { memberId?: string };
        if (type === 'MEMBER_ID_REQUIRED') this.memberId = memberId as string;
        else if (type === 'UNKNOWN_MEMBER_ID') this.memberId = '';
        if (type !== 'MEMBER_ID_REQUIRED' && type !== 'REBALANCE_IN_PROGRESS') await this.pause(error);
      }
    }
  }

  /** JoinGroup waits until all members are there; SyncGroup gives each its part, as the leader among them has dealt. */
  private async join(): Promise<Generation | undefined> {
    const { size } = this.topic;
    const joined = await this.withOthers(this.coordinator.joinGroup(this.memberId, size));
    if (!joined) return undefined;
    this.memberId = joined.memberId;
    const isLeader = joined.leaderId === joined.memberId;
    const assignment = isLeader ? await this.assigner.deal(joined.members) : [];
    const partitions = await this.withOthers(this.coordinator.syncGroup(joined, assignment));
    if (!partitions) return undefined;
    if (partitions.length === 0 && this.assigned?.length !== 0) print('No partitions assigned');
    this.trouble.isIdle = partitions.length === 0;
    this.assigned = partitions;
    this.generation = new Generation(joined, partitions, size, this.ending);
    return this.generation;
  }

  /** @throws what has ended the generation: a rebalance, most of the time */
  private async work(generation: Generation): Promise<void> {
    void this.beat(generation);
    try {
      while (!generation.until.aborted) await this.consume(generation);
    } catch (error) {
      generation.end(error);
    }
    if (!generation.over.aborted) return;
    generation.close();
    throw generation.over.reason;
  }

  /** Heartbeats, beside all else, as long as a handler has something of the generation in hand. They tell of a rebalance. */
  private async beat(generation: Generation): Promise<void> {
    let pauseMs = HEARTBEAT_MS;
    for (;;) {
      await sleep(pauseMs, generation.done);
      if (generation.done.aborted) return;
      // Where it fails, another broker may coordinate the group by now: it knows the members, and nobody joins anew.
      pauseMs = await this.asMember(generation, this.coordinator.heartbeat(generation)).then(
        () => HEARTBEAT_MS,
        () => (generation.over.aborted ? HEARTBEAT_MS : this.trouble.retryMs),
      );
    }
  }

  /** From where the partitions start, until the generation is over or one of them needs a new start. */
  private async consume(generation: Generation): Promise<void> {
    const commits = new Commits((offsets) => this.commit(generation, offsets));
    const part: Part = { commits, worker: this.makeWorker(commits, generation.until), positions: new Map() };
    this.part = part;
    try {
      part.positions = await this.start(generation);
      await followLeaders(
        generation.until,
        () => [...part.positions.keys()].map((partition) => this.topic.leader(partition)),
        async () => {
          await this.topic.refresh().catch(() => undefined);
          if (this.topic.size !== generation.topicSize) generation.end(OTHER_PARTITIONS);
        },
        (leader, until) => this.fetchFrom(leader, part, until),
      );
    } catch (error) {
      const { type } = error as KafkaError;
      const isGone = type === 'OFFSET_OUT_OF_RANGE';
      // What was taken does not come again, or comes before what can't be read: it is handled.
      if (isGone || error instanceof UnreadableRecords) await part.worker.drain();
      if (isGone) this.starts.doubt();
      // What is handled is of a topic that is gone, and may be made anew with other messages at these offsets.
      else if (type === 'UNKNOWN_TOPIC_OR_PARTITION') commits.end();
      else throw error;
    }
    if (this.ending.aborted) return;
    // What the handler has in hand it ends, and what is handled need not come again after the rebalance.
    await part.worker.drop();
    await commits.commit();
    commits.end();
  }

  /** Finds where the partitions start, by what the group has committed. */
  private async start(generation: Generation): Promise<Map<number, number>> {
    while (!generation.until.aborted)
      try {
        await this.ensureTopic();
        // Made anew with fewer partitions: who leads those that are gone, nobody can say.
        if (this.topic.size < generation.topicSize) generation.end(OTHER_PARTITIONS);
        else
          return await this.starts.place(generation.partitions, {
            fetch: (partitions) => this.coordinator.offsetFetch(partitions),
            commit: (offsets) => this.commit(generation, offsets),
          });
      } catch (error) {
        await this.pause(error, generation.until);
      }
    return new Map();
  }

  /** Fetches from one broker and takes what comes, for as long as it leads some of our partitions, and answers. */
  private async fetchFrom(leader: number, part: Part, until: AbortSignal): Promise<void> {
    while (!until.aborted) {
      const led = [...part.positions].filter(([partition]) => this.topic.leader(partition) === leader);
      if (led.length === 0) return;
      // Not always the same partition first: what it has may fill the answer.
      const first = Math.floor(Math.random() * led.length);
      const asked = new Map([...led.slice(first), ...led.slice(0, first)]);
      try {
        const fetching = fetch(this.cluster, leader, this.config.topic, asked, FETCH);
        const answers = await unlessStopped(until, fetching);
        if (!answers) return;
        for (const [partition, standstill] of findStandstills(answers, asked))
          this.trouble.standing(`partition ${partition}`, standstill);
        for (const data of answers)
          if (data.errorCode === OK) await this.take(data, asked.get(data.partition) as number, part);
        for (const { errorCode } of answers) check(errorCode);
      } catch (error) {
        await this.pause(error, until);
        if (TO_START_ANEW.includes((error as KafkaError).type ?? '')) throw error;
        return;
      }
    }
  }

  /** Hands the records to the worker, and so to the handler. The next fetch begins where that has got to. */
  private async take(data: FetchedPartition, offset: number, part: Part): Promise<void> {
    const fetched = new FetchedRecords(offset, data);
    if (fetched.isEmpty) return;
    // One at a time, whoever leads them: what is inflated of one is let go of before the next.
    const turn = this.taking.then(async () => {
      // Of an old leader, late: the new one has given it meanwhile.
      if (part.positions.get(data.partition) !== offset) return;
      const records = { records: fetched.records(), end: fetched.next };
      part.positions.set(data.partition, await part.worker.take(data.partition, records));
    });
    this.taking = turn.catch(() => undefined);
    await turn;
  }

  /** @param offsets by partition, of the first message that is not handled */
  private async commit(generation: Generation, offsets: ReadonlyMap<number, number>): Promise<void> {
    const { givingUp } = this.goodbye;
    const committing = this.asMember(generation, this.coordinator.offsetCommit(generation, offsets));
    await unlessStopped(givingUp, committing);
    if (givingUp.aborted) throw named('BROKER_NOT_AVAILABLE', 'The broker is away');
  }

  /** Commits what is handled and leaves at once: the others need not wait for us, nor our next start. */
  private async leave(): Promise<void> {
    const { coordinator, goodbye, memberId } = this;
    const commits = this.part?.commits;
    // More than once, if need be: the first may have found that another broker coordinates the group now.
    if (commits) await goodbye.lastTry(commits.settle(() => goodbye.givingUp.aborted));
    const uncommitted = commits?.uncommitted ?? 0;
    if (uncommitted > 0) print(`Stopped with ${uncommitted} handled messages not committed: they come again`);
    this.generation?.close();
    if (memberId) await goodbye.lastTry(coordinator.leaveGroup(memberId));
    if (this.config.groupIsTemporary && this.assigned) await goodbye.lastTry(coordinator.deleteGroup());
    this.cluster.close();
  }

  private async ensureTopic(): Promise<void> {
    if ((await this.topic.ensure()) && this.assigned)
      print(`Topic ${this.config.topic} made anew: somebody has deleted it`);
  }

  /** Waits for what the other members may keep waiting; undefined where we are to end meanwhile. */
  private async withOthers<T>(answer: Promise<T>): Promise<T | undefined> {
    const says =
      'no answer to the join yet: a group waits until all its members have handled what they have in hand, or are given up';
    const waiting = this.trouble.during('REBALANCE_IN_PROGRESS', says, answer);
    const inTime = await unlessStopped(this.ending, waiting);
    if (!inTime) this.coordinator.hangUp();
    return inTime;
  }

  /** Learns from the answer whether we are still a member of this generation. */
  private async asMember<T>(generation: Generation, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      // Where a handler waits for its commit, no fetch tells that the topic is gone.
      const isGone = (error as KafkaError).type === 'UNKNOWN_TOPIC_OR_PARTITION' && this.trouble.isStanding;
      if (isGone || kindOf(error) === 'work' || this.trouble.isHopeless(error)) generation.end(error);
      throw error;
    }
  }

  /** Before what has failed is tried again. @throws the error where that can't mend it */
  private async pause(error: unknown, until = this.ending): Promise<void> {
    if (this.trouble.isHopeless(error)) throw error;
    await sleep(this.trouble.retryMs, until);
  }
}

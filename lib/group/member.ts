import type { Admin, Consumer, Kafka } from 'kafkajs';
import {
  createAdmin,
  createConsumer,
  createKafka,
  type GroupMember,
  type Membership,
  RUN,
} from '../client/client';
import { ensureTopic } from '../client/topic';
import type { Commits } from '../handling/commits';
import { HandlerFailed } from '../handling/handler';
import type { Worker } from '../handling/worker';
import { print, sleep, unlessStopped } from '../process/service';
import type { ConsumerConfig } from '../settings/settings';
import { hopeless } from '../trouble/errors';
import { Trouble } from '../trouble/trouble';
import { assigner } from './assigner';
import { Generation } from './generation';
import { Goodbye } from './goodbye';
import { Starts } from './starts';

/** kafkajs tries again for good: only so does a member keep its place in the group over an outage. */
const RETRIES = Number.MAX_SAFE_INTEGER;
/** Before a consumer that kafkajs has given up is built anew, in ms. */
const REBUILD_MS = 1000;
/** How long a stop waits to have joined the group, which it then can leave. In ms. */
const JOIN_MS = 1500;
/** Before the topic is asked for again, in ms: the broker takes its time to delete one, and refuses to make it anew. */
const TOPIC_MS = 200;

/** A member of a consumer group, for as long as its service runs: joins, and leaves. */
export class Member implements GroupMember {
  private readonly trouble: Trouble;
  private readonly kafka: Kafka;
  private readonly admin: Admin;
  private readonly starts: Starts;
  private readonly goodbye: Goodbye;
  private generation: Generation | undefined;
  private assigned: readonly number[] | undefined;
  /** The first join of a consumer, under way or done. */
  private joining: Promise<unknown> = Promise.resolve();

  /**
   * @param makeWorker makes what handles the records of one generation, and reports to its commits
   * @param failure fails when the handler has
   */
  constructor(
    private readonly config: ConsumerConfig,
    private readonly stopping: AbortSignal,
    private readonly makeWorker: (commits: Commits) => Worker,
    private readonly failure: Promise<never>,
  ) {
    this.trouble = new Trouble(config.brokers, stopping);
    this.kafka = createKafka(config, this.trouble, RETRIES);
    this.admin = createAdmin(config, this.trouble);
    this.starts = new Starts(config, this.admin);
    this.goodbye = new Goodbye(stopping, this.trouble);
  }

  /**
   * Joins the group, and lives in it until the service is to stop: when kafkajs gives a consumer up, a new one takes
   * its place.
   *
   * @throws Error of one line for what trying again can't mend, or of the handler
   */
  async run(): Promise<void> {
    let consumer: Consumer;
    do {
      consumer = createConsumer(this.kafka, this.config, this, (of) =>
        assigner(of, this.config, this.trouble),
      );
      try {
        await Promise.race([unlessStopped(this.stopping, this.consume(consumer)), this.failure]);
      } catch (error) {
        // Without a partition there is nothing to fetch: it has been let in all the same.
        const hasWorked = this.trouble.hasWorked || this.assigned?.length === 0;
        const line = hopeless(error, hasWorked);
        if (line) throw new Error(line);
        if (error instanceof HandlerFailed) throw error;
        this.generation?.end();
        this.generation = undefined;
        await Promise.race([consumer.disconnect().catch(() => undefined), sleep(REBUILD_MS)]);
        await sleep(REBUILD_MS, this.stopping);
      }
    } while (!this.stopping.aborted);
    await Promise.race([this.leave(consumer), this.failure]);
  }

  /** Joins the group and consumes. Ends only with an error: when kafkajs gives up. */
  private async consume(consumer: Consumer): Promise<void> {
    const { topic } = this.config;
    const crash = new Promise<never>((_, reject) =>
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error)),
    );
    crash.catch(() => undefined);
    await ensureTopic(this.config, this.trouble);
    await this.admin.connect();
    if (this.stopping.aborted) return;
    await this.starts.remember();
    await consumer.connect();
    await consumer.subscribe({ topic });
    if (this.stopping.aborted) return;
    this.joining = consumer.run(RUN);
    await this.joining;
    await crash;
  }

  join<T>(join: Promise<T>): Promise<T> {
    const says =
      'no answer to the join yet: a group waits until all its members have handled what they have in hand, or are given up';
    return this.trouble.during('REBALANCE_IN_PROGRESS', says, join);
  }

  joined(membership: Membership): Generation {
    if (membership.partitions.length === 0 && this.assigned?.length !== 0) print('No partitions assigned');
    this.assigned = membership.partitions;
    this.generation = new Generation(
      membership,
      this.starts,
      this.stopping,
      this.goodbye.givingUp,
      this.makeWorker,
    );
    return this.generation;
  }

  async topicMissing(interrupted: () => boolean): Promise<void> {
    while (!this.stopping.aborted && !interrupted()) {
      try {
        await ensureTopic(this.config, this.trouble);
        return;
      } catch (error) {
        if (hopeless(error)) throw error;
        await sleep(TOPIC_MS, this.stopping);
      }
    }
  }

  /** Handles what is in hand, commits, leaves the group, deletes it if it was for this run only. */
  private async leave(consumer: Consumer): Promise<void> {
    const { groupId, groupIsTemporary, topic } = this.config;
    const { generation, goodbye } = this;
    // Nothing more is fetched: what comes now would be left, and fetched again and again.
    try {
      if (generation) consumer.pause([{ topic }]);
    } catch {
      // kafkajs has just given the consumer up: nothing is fetched anyway.
    }
    await generation?.finish();
    // More than once, if need be: the first may have found that another broker coordinates the group now.
    await goodbye.lastTry(generation?.commits.settle(() => goodbye.givingUp.aborted) ?? Promise.resolve());
    const uncommitted = generation?.commits.uncommitted ?? 0;
    if (uncommitted > 0) print(`Stopped with ${uncommitted} handled messages not committed: they come again`);
    // Who leaves before it has joined leaves nothing, and is a member afterwards.
    await goodbye.lastTry(this.joining, JOIN_MS);
    await goodbye.lastTry(consumer.disconnect());
    if (groupIsTemporary && this.assigned) await goodbye.lastTry(this.admin.deleteGroups([groupId]));
    await goodbye.lastTry(this.admin.disconnect());
  }
}

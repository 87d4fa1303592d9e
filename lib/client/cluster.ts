/** The one way to ask Kafka: who its brokers are, who leads, who coordinates; and each request with its answer. */
import type { KafkaConfig } from '../settings/settings';
import { Broker } from './broker';
import { type Address, type AskOptions, Connection, type Hear } from './connection';
import { check, isUnanswered, kindOf, LEADER_NOT_AVAILABLE } from './errors';
import { type OwnRequest, type RequestName, RequestTimeoutError } from './kafkajs';
import { type Secured, secured } from './security';

/** One that has not answered after so long, in ms, is not waited for while there is another one to ask. */
const PATIENCE_MS = 2000;
const GROUP = 0;

export interface Metadata {
  controller: number;
  brokers: { id: number; host: string; port: number }[];
  topics: TopicMetadata[];
}

export interface TopicMetadata {
  topic: string;
  error: number;
  /** One of Kafka's own. */
  internal: boolean;
  partitions: {
    id: number;
    /** -1 where it has none. */
    leader: number;
    replicas: number[];
    isr: number[];
  }[];
}

/** @param hear is told how each request ended, whoever made it */
export class Cluster {
  private readonly bootstrap: readonly Address[];
  /** By address, host:port: all that were asked something. */
  private readonly brokers = new Map<string, Broker>();
  /** Where each broker is, as the cluster told last. */
  private addresses = new Map<number, Address>();
  private controller = -1;
  private readonly coordinators = new Map<string, Address>();
  private readonly secured: Secured;

  constructor(
    private readonly config: Pick<KafkaConfig, 'clientId' | 'brokers' | 'security'>,
    private readonly hear: Hear = () => {},
  ) {
    this.bootstrap = config.brokers.map(parseAddress);
    this.secured = secured(config.security);
  }

  /** Asks any broker who the brokers are, and who leads which partition of these topics; of all topics, if none is named. */
  async metadata(topics: readonly string[] = []): Promise<Metadata> {
    const answer = await this.askAny<MetadataAnswer>(
      'Metadata',
      { topics, allowAutoTopicCreation: false },
      ({ brokers }) => {
        // One that is just starting may know of no broker at all.
        if (brokers.length === 0) check(LEADER_NOT_AVAILABLE);
      },
    );
    this.addresses = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    this.controller = answer.controllerId;
    this.closeOthers();
    return {
      controller: answer.controllerId,
      brokers: answer.brokers.map(({ nodeId, host, port }) => ({ id: nodeId, host, port })),
      topics: answer.topicMetadata.map(({ topic, topicErrorCode, isInternal, partitionMetadata }) => ({
        topic,
        error: topicErrorCode,
        internal: isInternal,
        partitions: partitionMetadata
          .map(({ partitionId, leader, replicas, isr }) => ({ id: partitionId, leader, replicas, isr }))
          .sort((one, other) => one.id - other.id),
      })),
    };
  }

  /** Asks this broker, as the cluster told last of it. @throws LEADER_NOT_AVAILABLE where it told of none by that number */
  async ask<T>(
    brokerId: number,
    name: RequestName | OwnRequest,
    args: unknown,
    options?: AskOptions,
  ): Promise<T> {
    const address = this.addresses.get(brokerId);
    if (!address) check(LEADER_NOT_AVAILABLE);
    return await this.at(address as Address).ask<T>(name, args, options);
  }

  /** Since when this broker gives no answer, in ms since 1970; undefined where it does, or was not asked yet. */
  silentSince(brokerId: number): number | undefined {
    const address = this.addresses.get(brokerId);
    return address && this.at(address).silentSince;
  }

  /** Asks the broker that changes the cluster. */
  async askController<T>(name: RequestName, args: unknown, options?: AskOptions): Promise<T> {
    if (!this.addresses.has(this.controller)) await this.metadata();
    return await this.ask<T>(this.controller, name, args, options);
  }

  /**
   * Asks any broker, and the next one where that gives no answer.
   *
   * @throws what tells most: that one does not let us in, say, whatever keeps the others from an answer
   */
  async askAny<T>(name: RequestName, args: unknown, approve: (answer: T) => void = () => {}): Promise<T> {
    let failure: unknown;
    const brokers = this.inOrder();
    for (const broker of brokers)
      try {
        const answer = broker.ask<T>(name, args, { inParts: true });
        const inTime = await (broker === brokers.at(-1) ? answer : within(PATIENCE_MS, answer));
        approve(inTime);
        return inTime;
      } catch (error) {
        if (!failure || kindOf(failure) === 'waits') failure = error;
      }
    throw failure;
  }

  /** Asks the broker that coordinates the group, and looks for it first where it is not known, or not known any more. */
  async askCoordinator<T>(
    groupId: string,
    name: RequestName,
    args: unknown,
    options?: AskOptions,
  ): Promise<T> {
    try {
      return await (await this.coordinator(groupId)).ask<T>(name, args, options);
    } catch (error) {
      // What is asked beside another request leaves it to that: it is still waited for there.
      const isGone = isUnanswered(error) || kindOf(error) === 'coordinator';
      if (isGone && !options?.aside) this.coordinators.delete(groupId);
      throw error;
    }
  }

  /** Ends the connections to the group's coordinator: what it waits for there, as for a join, is not waited for any more. */
  hangUp(groupId: string): void {
    const address = this.coordinators.get(groupId);
    if (address) this.at(address).close();
  }

  close(): void {
    for (const broker of this.brokers.values()) broker.close();
  }

  private async coordinator(groupId: string): Promise<Broker> {
    let address = this.coordinators.get(groupId);
    if (!address) {
      const { coordinator } = await this.askAny<CoordinatorAnswer>(
        'GroupCoordinator',
        { groupId, coordinatorType: GROUP },
        ({ errorCode }) => check(errorCode),
      );
      address = { host: coordinator.host, port: coordinator.port };
      this.coordinators.set(groupId, address);
    }
    return this.at(address);
  }

  /**
   * Those that the cluster has told of, and those that we were told of. First the ones that are connected, last the ones
   * that do not answer; any of several alike.
   */
  private inOrder(): Broker[] {
    const known = [...this.addresses.values()].map((address) => this.at(address));
    const others = this.bootstrap.map((address) => this.at(address)).filter((one) => !known.includes(one));
    const rank = (broker: Broker) =>
      (broker.silentSince === undefined ? 0 : 4) +
      (known.includes(broker) ? 0 : 2) +
      (broker.isConnected ? 0 : 1);
    return [...known, ...others]
      .map((broker) => ({ broker, rank: rank(broker) + Math.random() }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ broker }) => broker);
  }

  private at(address: Address): Broker {
    const key = `${address.host}:${address.port}`;
    let broker = this.brokers.get(key);
    if (!broker) {
      const { clientId } = this.config;
      broker = new Broker(address, () => new Connection(address, clientId, this.secured, this.hear));
      this.brokers.set(key, broker);
    }
    return broker;
  }

  /** Hangs up on those that are no brokers of the cluster any more: what they were asked is not waited for. */
  private closeOthers(): void {
    const kept = new Set([...this.addresses.values(), ...this.bootstrap].map((one) => this.at(one)));
    for (const [key, broker] of this.brokers)
      if (!kept.has(broker)) {
        broker.close();
        this.brokers.delete(key);
      }
  }
}

function parseAddress(broker: string): Address {
  const [, host = '', port] = /^\[?([^\]]*)\]?:(\d+)$/.exec(broker) ?? [];
  return { host, port: Number(port) };
}

/** @throws where the answer takes longer; one that comes then, or fails, is let go */
async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RequestTimeoutError(`no answer within ${ms / 1000} s`, {})), ms);
  });
  answer.catch(() => undefined);
  return await Promise.race([answer, end]).finally(() => clearTimeout(timer));
}

interface MetadataAnswer {
  controllerId: number;
  brokers: { nodeId: number; host: string; port: number }[];
  topicMetadata: {
    topic: string;
    topicErrorCode: number;
    isInternal: boolean;
    partitionMetadata: { partitionId: number; leader: number; replicas: number[]; isr: number[] }[];
  }[];
}

interface CoordinatorAnswer {
  errorCode: number;
  coordinator: { nodeId: number; host: string; port: number };
}

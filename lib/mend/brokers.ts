/** A request that has had no answer for so long, in ms, is overdue: its broker may be frozen. */
const OVERDUE_MS = 2000;

/** These have to wait for the other members of the group. */
const PATIENT = ['JoinGroup', 'SyncGroup'];

/** Kafka's code of the error: https://kafka.apache.org/protocol#protocol_error_codes */
const LEADER_NOT_AVAILABLE = 5;

/** The connections whose last request was not answered in time. */
const silent = new WeakSet<Connection>();

/**
 * Mends how kafkajs chooses of several brokers whom to ask. To it one that is away is as good as the others, and what
 * that one does not answer the others are not asked:
 * - Who coordinates a group is asked of brokers in turn, but an unreachable one ends the turn, and an answer that there
 *   is no coordinator yet may end the consumer (https://github.com/tulios/kafkajs/issues/1630).
 * - One that is frozen is asked as long as its connection stands, and once it is no longer in the metadata its requests
 *   are waited for. Now it is asked last, and what is overdue is given up with the connection.
 * - A broker that is just starting may know of no broker at all, and that ends the consumer. Now it is asked again.
 */
export function mendBrokers(): void {
  const pool = require('kafkajs/src/cluster/brokerPool').prototype;
  const cluster = require('kafkajs/src/cluster').prototype;
  const broker = require('kafkajs/src/broker').prototype;
  const connection = require('kafkajs/src/network/connection').prototype;
  const { KafkaJSBrokerNotFound, KafkaJSConnectionClosedError } = require('kafkajs/src/errors');
  const { createErrorFromCode } = require('kafkajs/src/protocol/error');
  const { metadata } = broker;
  const { send, disconnect } = connection;

  pool.withBroker = async function <T>(this: BrokerPool, ask: (asked: Asked) => Promise<T>): Promise<T> {
    let latest: unknown = new KafkaJSBrokerNotFound('No brokers in the broker pool');
    for (const nodeId of inOrder(this)) {
      try {
        return await ask({ nodeId, broker: await this.findBroker({ nodeId }) });
      } catch (error) {
        latest = error;
      }
    }
    throw latest;
  };

  pool.findConnectedBroker = async function (this: BrokerPool): Promise<Broker> {
    for (const nodeId of inOrder(this)) {
      try {
        return await this.findBroker({ nodeId });
      } catch {
        // The next one, then.
      }
    }
    await this.connect();
    return this.seedBroker;
  };

  cluster.findGroupCoordinator = function (this: Cluster, group: GroupKey): Promise<Broker> {
    return this.retrier(async (bail) => {
      try {
        return await findCoordinatorOnce(this, group);
      } catch (error) {
        const { type, retriable } = error as ProtocolError;
        if (type && !retriable) return bail(error);
        await this.refreshMetadata();
        throw error;
      }
    });
  };

  broker.metadata = async function (this: Broker, topics: string[]) {
    const answer = await metadata.call(this, topics);
    if (answer.brokers.length === 0) throw createErrorFromCode(LEADER_NOT_AVAILABLE);
    return answer;
  };

  connection.send = async function (this: Connection, message: unknown) {
    try {
      const answer = await send.call(this, message);
      silent.delete(this);
      return answer;
    } catch (error) {
      if ((error as Error).name === 'KafkaJSRequestTimeoutError') silent.add(this);
      throw error;
    }
  };

  connection.disconnect = function (this: Connection) {
    const { inflight } = this.requestQueue;
    for (const [id, request] of inflight)
      if (isOverdue(request)) {
        inflight.delete(id);
        const { host, port } = this;
        request.rejected(
          new KafkaJSConnectionClosedError('No answer, and no broker any more', { host, port }),
        );
      }
    // One that is closed has no handle, and each time that it is let go of leaves a listener behind.
    if (this.socket?.destroyed) this.socket = undefined;
    return disconnect.call(this);
  };
}

/** Asks the brokers, once, who coordinates the group, and connects to that one. */
export async function findCoordinatorOnce(cluster: Cluster, { groupId }: GroupKey): Promise<Broker> {
  const { coordinator } = await cluster.brokerPool.withBroker(({ broker }) =>
    broker.findGroupCoordinator({ groupId, coordinatorType: 0 }),
  );
  return cluster.findBroker({ nodeId: coordinator.nodeId });
}

/** First those that are connected, last those that do not answer; any of several alike. */
function inOrder({ brokers }: BrokerPool): string[] {
  const rank = (broker: Broker) => (isSilent(broker) ? 2 : broker.isConnected() ? 0 : 1);
  return Object.entries(brokers)
    .map(([nodeId, broker]) => ({ nodeId, rank: rank(broker) + Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ nodeId }) => nodeId);
}

function isSilent({ connectionPool }: Broker): boolean {
  return connectionPool.pool.some(
    (connection) =>
      silent.has(connection) ||
      (connection.isConnected() && [...connection.requestQueue.inflight.values()].some(isOverdue)),
  );
}

function isOverdue({ sentAt, entry }: Request): boolean {
  return sentAt !== null && Date.now() - sentAt > OVERDUE_MS && !PATIENT.includes(entry.apiName);
}

type ProtocolError = Error & { type?: string; retriable?: boolean };

interface GroupKey {
  groupId: string;
}

interface Request {
  /** In ms since 1970; null while it waits its turn. */
  sentAt: number | null;
  entry: { apiName: string };
  rejected(error: Error): void;
}

interface Connection {
  host: string;
  port: number;
  socket: { destroyed: boolean } | undefined;
  requestQueue: { inflight: Map<number, Request> };
  isConnected(): boolean;
}

export interface Broker {
  connectionPool: { pool: Connection[] };
  isConnected(): boolean;
  findGroupCoordinator(
    key: GroupKey & { coordinatorType: number },
  ): Promise<{ coordinator: { nodeId: number } }>;
}

interface Asked {
  nodeId: string;
  broker: Broker;
}

interface BrokerPool {
  brokers: Record<string, Broker>;
  seedBroker: Broker;
  connect(): Promise<void>;
  findBroker(node: { nodeId: string }): Promise<Broker>;
  withBroker<T>(ask: (asked: Asked) => Promise<T>): Promise<T>;
}

export interface Cluster {
  brokerPool: BrokerPool;
  retrier<T>(attempt: (bail: (error: unknown) => never) => Promise<T>): Promise<T>;
  findBroker(node: { nodeId: number }): Promise<Broker>;
  refreshMetadata(): Promise<void>;
}

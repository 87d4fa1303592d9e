import type { Address, AskOptions, Connection } from './connection';
import { isClosed, isSlow, isUnanswered } from './errors';
import type { OwnRequest, RequestName } from './kafkajs';

/** A request that has had no answer for so long, in ms, makes its broker one that is asked last. */
const SILENT_MS = 2000;
/** These have to wait for the other members of the group. */
const PATIENT: readonly (RequestName | OwnRequest)[] = ['JoinGroup', 'SyncGroup'];

/** One broker, by its address: connected to when it is asked something, and again after a connection has ended. */
export class Broker {
  readonly address: string;
  /**
   * Since when it can't be reached, or leaves what it is asked without an answer, in ms since 1970: of several brokers it
   * is asked last.
   */
  silentSince: number | undefined;
  /**
   * One for fetches, which wait for messages, and what is asked beside a request that waits; and one for all else: a broker
   * answers in the order it is asked.
   */
  private readonly connections: { fetch?: Connection; other?: Connection } = {};

  constructor(
    { host, port }: Address,
    private readonly connect: () => Connection,
  ) {
    this.address = `${host}:${port}`;
  }

  get isConnected(): boolean {
    return Object.values(this.connections).some((connection) => connection.isConnected());
  }

  /** As Connection.ask. */
  async ask<T>(name: RequestName | OwnRequest, args: unknown, options?: AskOptions): Promise<T> {
    const askedAt = performance.now();
    const silence = setTimeout(() => {
      if (!PATIENT.includes(name)) this.silentSince ??= Date.now();
    }, SILENT_MS);
    try {
      const connection = this.connection(name === 'Fetch' || options?.aside ? 'fetch' : 'other');
      await connection.open();
      const answer = await connection.ask<T>(name, args, options);
      this.silentSince = undefined;
      return answer;
    } catch (error) {
      if (!isUnanswered(error)) this.silentSince = undefined;
      else if (!isClosed(error as Error)) this.silentSince ??= Date.now();
      // What has silenced one connection, a firewall that has forgotten it, say, has silenced the other, too.
      if (isSlow(error as Error)) this.close((connection) => connection.heardAt < askedAt);
      throw error;
    } finally {
      clearTimeout(silence);
    }
  }

  /** Ends its connections, or some. What it is asked afterwards, it is asked through new ones. */
  close(which: (connection: Connection) => boolean = () => true): void {
    for (const connection of Object.values(this.connections)) if (which(connection)) connection.close();
  }

  private connection(purpose: 'fetch' | 'other'): Connection {
    let connection = this.connections[purpose];
    if (!connection || connection.isClosed) {
      connection = this.connect();
      this.connections[purpose] = connection;
    }
    return connection;
  }
}

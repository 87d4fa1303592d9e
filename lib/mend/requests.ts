/** What became of a request, as the mended kafkajs tells its log: see mendRequests. */
export interface Outcome {
  /** The broker's address, host:port. */
  broker: string;
  /** Kafka's name of the request; `Connect` where it was to connect. */
  request: string;
  /** Undefined where the broker did what it was asked. */
  error?: Error & { type?: string; code?: string };
  /** The broker is over a quota of this client, and has it wait so long, in ms. */
  throttledMs?: number;
}

/** The message of these log entries. */
export const OUTCOME = 'Outcome of a request';

/**
 * kafkajs tries most errors again by itself, and says so in its log of some, of others not at all, and of none what
 * Kafka calls it: a client that Kafka refuses for good looks like one at rest, as where it has no coordinator for its
 * group (https://github.com/tulios/kafkajs/issues/1011). Mended, its log hears of every request how it ended, as an
 * Outcome.
 *
 * And of requests that meet a closed connection each opens a socket, of which all but the last are forgotten. Now they
 * wait for one.
 */
export function mendRequests(): void {
  const connection = require('kafkajs/src/network/connection').prototype;
  const { connect, send, authenticate } = connection;

  connection.connect = function (this: Connection) {
    if (this.isConnected()) return connect.call(this);
    let connecting = underWay.get(this);
    if (!connecting) {
      connecting = told(this, 'Connect', connect.call(this)).finally(() => underWay.delete(this));
      underWay.set(this, connecting);
    }
    return connecting;
  };
  connection.authenticate = function (this: Connection) {
    return authenticate.call(this).catch((error: Error) => {
      tell(this, { request: 'Authenticate', error });
      throw error;
    });
  };
  connection.send = function (this: Connection, message: { request: { apiName: string } }) {
    return told(this, message.request.apiName, send.call(this, message));
  };
}

const underWay = new WeakMap<Connection, Promise<Answer>>();

async function told(connection: Connection, request: string, answer: Promise<Answer>): Promise<Answer> {
  try {
    const result = await answer;
    const throttledMs = result?.clientSideThrottleTime || undefined;
    tell(connection, { request, throttledMs });
    return result;
  } catch (error) {
    tell(connection, { request, error: error as Error });
    throw error;
  }
}

function tell(connection: Connection, outcome: Omit<Outcome, 'broker'>): void {
  connection.logger.error(OUTCOME, { outcome: { broker: connection.broker, ...outcome } });
}

/** Of what a broker answers, or `true` of a connection. */
type Answer = { clientSideThrottleTime?: number } | undefined;

interface Connection {
  broker: string;
  logger: { error(message: string, extra: object): void };
  isConnected(): boolean;
}

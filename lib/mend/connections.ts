/** These wait for the other members of the group, and what comes behind them on their connection waits with them. */
const PATIENT = ['JoinGroup', 'SyncGroup'];

/** The size of an answer, which stands before it, in bytes. */
const SIZE_BYTES = 4;

/** All that are connected. */
const open = new Set<Connection>();

/**
 * Mends what kafkajs keeps of a connection that is over:
 * - One that is cut in the middle of an answer leaves that half to the next one, whose first answer is read behind it:
 *   whatever comes of that ends the process (https://github.com/tulios/kafkajs/issues/715, #1374, #1440). Now each
 *   begins with nothing.
 * - What the old socket has yet to say, an error or an end, is done to the new one. Now nobody listens to it.
 * - One that falls silent for good, as where a firewall has forgotten it, is asked again and again
 *   (https://github.com/tulios/kafkajs/issues/919, https://github.com/tulios/kafkajs/pull/1783). Now the first request
 *   whose time is over closes it, and all others to that broker that have said nothing meanwhile: whatever has become
 *   of one has become of these, and each would cost the same time again.
 */
export function mendConnections(): void {
  const connection = require('kafkajs/src/network/connection').prototype;
  const { connect, disconnect, processData, send } = connection;

  connection.connect = async function (this: Connection) {
    if (!this.isConnected()) {
      letGo(this.socket);
      this.chunks = [];
      this.bytesBuffered = 0;
      this.bytesNeeded = SIZE_BYTES;
      this.authHandlers = null;
      this.authExpectResponse = false;
    }
    const result = await connect.call(this);
    this.heardAt = Date.now();
    open.add(this);
    return result;
  };

  connection.disconnect = function (this: Connection) {
    open.delete(this);
    return disconnect.call(this);
  };

  connection.processData = function (this: Connection, data: Buffer) {
    this.heardAt = Date.now();
    processData.call(this, data);
  };

  connection.send = async function (this: Connection, message: unknown) {
    try {
      return await send.call(this, message);
    } catch (error) {
      const { name, sentAt } = error as TimeoutError;
      if (name === 'KafkaJSRequestTimeoutError')
        for (const one of open) if (one.broker === this.broker && one.heardAt <= sentAt) hangUp(one, error);
      throw error;
    }
  };
}

function hangUp(connection: Connection, error: unknown): void {
  const { inflight } = connection.requestQueue;
  if ([...inflight.values()].some(({ entry }) => PATIENT.includes(entry.apiName))) return;
  open.delete(connection);
  connection.requestQueue.destroy();
  letGo(connection.socket);
  connection.authenticatedAt = null;
  connection.connectionStatus = 'disconnected';
  connection.rejectRequests(error);
}

function letGo(socket: Connection['socket']): void {
  for (const event of ['data', 'end', 'error', 'timeout', 'connect', 'secureConnect'])
    socket?.removeAllListeners(event);
  socket?.on('error', () => undefined);
  socket?.destroy();
}

type TimeoutError = Error & { sentAt: number };

interface Connection {
  broker: string;
  /** When the broker said something last, in ms since 1970. */
  heardAt: number;
  socket:
    | { removeAllListeners(event: string): void; on(event: string, call: () => void): void; destroy(): void }
    | undefined;
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  authHandlers: unknown;
  authExpectResponse: boolean;
  authenticatedAt: unknown;
  connectionStatus: string;
  requestQueue: { inflight: Map<number, { entry: { apiName: string } }>; destroy(): void };
  isConnected(): boolean;
  rejectRequests(error: unknown): void;
}

/** A TCP proxy in front of the real broker, to lose an acknowledgement on the way back, and to count requests. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

const PRODUCE = 0;
const FETCH = 1;

export class CuttingProxy {
  /** How many more Produce requests reach the broker without their answer reaching the client. */
  private cuts = 0;
  /** How many Fetch requests have passed. */
  fetches = 0;
  /** How many connections were made to it. */
  connections = 0;
  private sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  /** Listens on `port` of this machine and forwards to `target`. */
  static async start(port: number, target: number): Promise<CuttingProxy> {
    const server = createServer();
    const proxy = new CuttingProxy(server);
    server.on('connection', (client) => proxy.forward(client, target));
    server.listen(port, 'localhost');
    await once(server, 'listening');
    return proxy;
  }

  /** From now on, the connection is cut once the broker has answered a Produce request; so many times. */
  cutAcknowledgements(times: number): void {
    this.cuts = times;
  }

  get cutsLeft(): number {
    return this.cuts;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private forward(client: Socket, target: number): void {
    this.connections++;
    const broker = connect(target, '127.0.0.1');
    let cutting = false;
    client.on('data', (data) => {
      // kafkajs writes each request at once: its size, then the number of its API.
      const api = data.length > 6 ? data.readInt16BE(4) : undefined;
      if (this.cuts > 0 && api === PRODUCE) cutting = true;
      if (api === FETCH) this.fetches++;
      broker.write(data);
    });
    broker.on('data', (data) => {
      if (!cutting) client.write(data);
      else {
        // The broker has written the messages and says so: this is the answer that gets lost.
        this.cuts--;
        client.destroy();
      }
    });
    for (const [one, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.sockets.delete(one);
        other.destroy();
      });
    }
  }
}

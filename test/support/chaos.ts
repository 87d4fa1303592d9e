/**
 * A network not to be relied on, in front of a real broker: a TCP proxy that cuts each connection, or lets it fall
 * silent for good, somewhere in the middle of a request or an answer, and has some of them dribble and lag. What becomes
 * of the nth connection, and after which byte, is decided by a seed alone: the same seed plays the same again.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

type Direction = 'requests' | 'answers';
/** As a load balancer closes a connection; as a firewall breaks it off; as one that has forgotten it keeps it. */
type Ending = 'closed' | 'reset' | 'silent';

/** What becomes of one connection. */
export interface Fate {
  ending: Ending;
  /** It ends once so many bytes have gone this way. */
  way: Direction;
  bytes: number;
  /** The first bytes each way, so many, come a few at a time. */
  dribble: number;
  /** Whatever goes either way comes so much later, in ms. */
  lagMs: number;
}

const FEWEST_BYTES = 50;
const MOST_BYTES = 5000;
const LONGEST_DRIBBLE = 400;
const LONGEST_LAG_MS = 50;
const FEW_BYTES = 7;

/** To play a failure again, set CHAOS_SEED to the seed that it has told. */
export function chaosSeed(): number {
  return Number(process.env.CHAOS_SEED ?? randomInt(1_000_000));
}

/** The fate of the nth connection; endings are some bytes or some ten thousand away, each size as likely. */
export function fateOf(seed: number, connection: number, silent: number): Fate {
  const random = randomBy(seed * 10_007 + connection);
  const upTo = (most: number) => Math.floor(random() * most);
  const kind = random();
  return {
    ending: kind < silent ? 'silent' : kind < (1 + silent) / 2 ? 'closed' : 'reset',
    way: random() < 0.4 ? 'requests' : 'answers',
    bytes: Math.round(FEWEST_BYTES * (MOST_BYTES / FEWEST_BYTES) ** random()),
    dribble: random() < 0.3 ? upTo(LONGEST_DRIBBLE) : 0,
    lagMs: random() < 0.3 ? upTo(LONGEST_LAG_MS) : 0,
  };
}

/** Numbers from 0 up to 1, the same for the same seed: mulberry32, by Tommy Ettinger, in the public domain. */
function randomBy(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Where a proxy listens, and where it leads. */
export interface Way {
  host: string;
  port: number;
  target: { host: string; port: number };
}

interface Link {
  client: Socket;
  broker: Socket;
  fate: Fate;
  isOver: boolean;
}

export class Chaos {
  readonly ended: Record<Ending, number> = { closed: 0, reset: 0, silent: 0 };
  private connections = 0;
  private isCalm = true;
  private readonly links = new Set<Link>();

  private constructor(
    private readonly server: Server,
    private readonly target: Way['target'],
    private readonly seed: number,
    private readonly silent: number,
  ) {}

  /** @param silent the share of connections that fall silent, from 0 to 1; the others are cut */
  static async start({ host, port, target }: Way, seed: number, silent: number): Promise<Chaos> {
    const server = createServer({ allowHalfOpen: true });
    const chaos = new Chaos(server, target, seed, silent);
    server.on('connection', (client) => chaos.link(client));
    server.listen(port, host);
    await once(server, 'listening');
    return chaos;
  }

  /** Connections that were cut, or fell silent. */
  get endings(): number {
    return Object.values(this.ended).reduce((sum, count) => sum + count, 0);
  }

  /** From now on each connection meets its fate; before, and after `calm`, all is well, but for what is silent. */
  rage(): void {
    this.isCalm = false;
  }

  calm(): void {
    this.isCalm = true;
  }

  /** Each connection that there is falls silent, now; new ones work. */
  silenceAll(): void {
    for (const link of this.links) if (!link.isOver) this.end(link, 'silent');
  }

  async stop(): Promise<void> {
    for (const { client, broker } of this.links) {
      client.destroy();
      broker.destroy();
    }
    this.server.close();
    await once(this.server, 'close');
  }

  private link(client: Socket): void {
    const broker = connect({ ...this.target, allowHalfOpen: true });
    const fate = fateOf(this.seed, this.connections++, this.silent);
    const link: Link = { client, broker, fate, isOver: false };
    this.links.add(link);
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      socket.setNoDelay();
      socket.on('error', () => undefined);
      socket.on('close', () => {
        // Of one that was forgotten neither side hears what became of the other.
        if (link.fate.ending === 'silent' && link.isOver) return;
        other.destroy();
        this.links.delete(link);
      });
    }
    this.carry(link, 'requests', client, broker);
    this.carry(link, 'answers', broker, client);
  }

  private async carry(link: Link, way: Direction, from: Socket, to: Socket): Promise<void> {
    const { fate } = link;
    // Since it rages.
    let carried = 0;
    try {
      for await (const data of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        for (let rest = data; rest.length > 0; ) {
          const isCalm = this.isCalm;
          const atOnce = !isCalm && carried < fate.dribble ? FEW_BYTES : rest.length;
          const left = !isCalm && way === fate.way ? fate.bytes - carried : rest.length;
          const piece = rest.subarray(0, Math.min(left, atOnce));
          rest = rest.subarray(piece.length);
          if (!isCalm) {
            carried += piece.length;
            await sleep(fate.lagMs);
          }
          if (link.isOver) break;
          if (!to.write(piece)) await once(to, 'drain');
          if (!isCalm && way === fate.way && carried === fate.bytes) this.end(link, fate.ending);
        }
      }
      if (!link.isOver) to.end();
    } catch {
      // The connection has ended in the middle.
    }
  }

  private async end(link: Link, ending: Ending): Promise<void> {
    const { client, broker } = link;
    link.isOver = true;
    link.fate.ending = ending;
    this.ended[ending]++;
    if (ending === 'silent') return;
    // A reset takes with it what the other side has not read yet: the half of the answer is to arrive.
    await sleep(20);
    for (const socket of [client, broker]) {
      if (ending === 'reset') socket.resetAndDestroy();
      else socket.end();
    }
  }
}

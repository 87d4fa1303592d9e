import type { Outcome } from '../client/connection';
import {
  isClosed,
  isSlow,
  isTimeout,
  type KafkaError,
  kindOf,
  lastLine,
  named,
  nameOf,
  remedyOf,
  says,
} from '../client/errors';
import { age } from '../message/age';
import { print } from '../process/service';

/** Before what has failed is tried again, in ms; and once something was said to hold the service up. */
const RETRY_MS = 200;
const HELD_UP_RETRY_MS = 1000;
/** What keeps a service waiting for so long, in ms, is said: before that, much mends itself. */
const PATIENCE_MS = 5000;
/** What stays is said again after this time, in ms. */
const SAID_AGAIN_MS = 60_000;
/** A broker that can't be reached for so long, in ms, is lost: a connection that was cut is there again sooner. */
const LOST_MS = 1000;
/** A broker that can be reached and has not answered for so long, in ms, is lost, too. */
const NO_ANSWER_MS = 10_000;
/** One of several brokers that can be reached may leave us without an answer for so long, in ms, before it is away. */
const SILENCE_MS = 60_000;
/** An error that comes again within this time, in ms, is the same trouble: a request has 10 s for its answer. */
const SAME_TROUBLE_MS = 20_000;

/** A request that fails, again and again. */
interface Failing {
  request: string;
  broker: string;
  error: KafkaError;
  since: number;
  last: number;
  isSaid: boolean;
}

/**
 * Knows what keeps a service from its work, and says so: when the broker is lost and when it is back, and of every
 * request that has failed for 5 s what Kafka calls it. It hears how each request ended, whoever made it.
 */
export class Trouble {
  /** A broker has taken or given what the service is there for: what it refuses from now on may be put right again. */
  hasWorked = false;
  /** A member without partitions fetches nothing: to be alive is all its work. */
  isIdle = false;
  private lostAt: number | undefined;
  /** When each broker answered last, and which of them could not be reached since. */
  private readonly answered = new Map<string, number>();
  private readonly unreachable = new Set<string>();
  /** Those that have done what they were asked. Which versions it speaks a broker tells before it asks for a login. */
  private readonly admitting = new Set<string>();
  private readonly failing = new Map<string, Failing>();
  private heldSince: number | undefined;
  /** When each cause was said last. */
  private readonly said = new Map<string, number>();

  /**
   * @param bootstrap the addresses that the service was told to ask
   * @param stopping once aborted, nothing is said any more: our own goodbye is no trouble.
   * @param now a clock that only goes forward, in ms
   */
  constructor(
    private readonly bootstrap: readonly string[],
    private readonly stopping: AbortSignal,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The broker is away. */
  get isLost(): boolean {
    return this.lostAt !== undefined;
  }

  /** Why the service does not get on; undefined where it does. */
  get reason(): string | undefined {
    if (this.isLost) return 'the broker is away';
    const [latest] = [...this.failing.values()].sort((a, b) => b.last - a.last);
    return latest && `${nameOf(latest.error)}: ${says(latest.error)}`;
  }

  /** Takes the service's work to stand still: the broker is away, or something was said to hold it up. */
  get isStanding(): boolean {
    return this.isLost || this.heldSince !== undefined;
  }

  /** Before what has failed is tried again, in ms: less often, once something is known to hold the service up. */
  get retryMs(): number {
    return this.isStanding ? HELD_UP_RETRY_MS : RETRY_MS;
  }

  /** Whether trying again can't mend it. What the service was let in for before may be put right while it goes on. */
  isHopeless(error: unknown): boolean {
    return lastLine(error, this.hasWorked) !== undefined;
  }

  /** Hears how a request ended. */
  readonly hear = ({ broker, request, error, throttledMs }: Outcome): void => {
    // An error by Kafka's own name is an answer too, and so is to be kept out.
    if (!error || error.type !== undefined || kindOf(error) === 'access') this.answer(broker);
    // One that was connected to can be reached, though it leaves us without an answer, or one of us has hung up for it.
    else if (!isTimeout(error) && !isClosed(error)) this.unreachable.add(broker);
    if (!error && !['Connect', 'ApiVersions'].includes(request)) this.admitting.add(broker);
    if (error && !isPartOfWork(request, error)) this.fail(broker, request, error);
    else if (throttledMs) this.fail(broker, request, throttled(throttledMs));
    else this.succeed(broker, request);
  };

  /** Some of the work stands still though no request fails, or, without an error, goes on again. */
  standing(work: string, error?: KafkaError): void {
    if (error) this.fail('', work, error);
    else if (this.failing.delete(`${work} `)) this.checkGoingOn();
  }

  /** Says it where the promise takes longer than 5 s, and nothing else is known to be the reason. */
  async during<T>(name: string, says: string, promise: Promise<T>): Promise<T> {
    const failing: Failing = {
      request: name,
      broker: '',
      error: named(name, says),
      since: this.now(),
      last: Number.POSITIVE_INFINITY,
      isSaid: false,
    };
    const timer = setInterval(() => {
      const now = this.now();
      const isKnown = [...this.failing.values()].some(
        (one) => one !== failing && now - one.last < PATIENCE_MS,
      );
      if (isKnown || this.isLost) return;
      this.failing.set(name, failing);
      this.say(failing);
    }, PATIENCE_MS);
    try {
      return await promise;
    } finally {
      clearInterval(timer);
      this.failing.delete(name);
      this.checkGoingOn();
    }
  }

  private answer(broker: string): void {
    this.answered.set(broker, this.now());
    this.unreachable.delete(broker);
    if (this.lostAt === undefined) return;
    this.print(`Broker back after ${age(this.now() - this.lostAt)}`);
    this.lostAt = undefined;
  }

  private succeed(broker: string, request: string): void {
    const now = this.now();
    const isAlive = this.isIdle && request === 'Heartbeat';
    const isWork = request === 'Fetch' || request === 'Produce' || isAlive;
    this.hasWorked ||= isWork;
    for (const [key, one] of this.failing) {
      // With the work under way again, what has not failed for a while was given up, or done by another broker. What has
      // no answer at all takes its time to fail again.
      const lull = isSlow(one.error) ? SAME_TROUBLE_MS : PATIENCE_MS;
      const isOver = now - one.last > lull && (isWork || one.request === request);
      if (isOver || (one.broker === broker && one.request === request)) this.failing.delete(key);
    }
    this.checkGoingOn();
  }

  private fail(broker: string, request: string, error: KafkaError): void {
    const now = this.now();
    const key = `${request} ${broker}`;
    let failing = this.failing.get(key);
    if (!failing || now - failing.last > SAME_TROUBLE_MS) {
      failing = { request, broker, error, since: now, last: now, isSaid: false };
      this.failing.set(key, failing);
    }
    failing.error = error;
    failing.last = now;
    if (this.isLost) return;
    if (this.isAway(failing)) {
      if (isSlow(error) || now - failing.since >= LOST_MS) this.lose(failing);
    } else if (now - failing.since >= PATIENCE_MS) this.say(failing);
  }

  /** Whether the error means that there is no broker to talk to; another that answers makes it something else. */
  private isAway({ broker, error, since }: Failing): boolean {
    if (kindOf(error) === 'access' || isClosed(error)) return false;
    const now = this.now();
    const answers = (address: string, withinMs: number) =>
      now - (this.answered.get(address) ?? Number.NEGATIVE_INFINITY) < withinMs;
    // Of several, the others may not have been asked for a while: they are, next.
    const isNew = now - since < PATIENCE_MS;
    const others = [...this.answered.keys()].filter((address) => address !== broker);
    if (others.some((one) => !this.unreachable.has(one) && (isNew || answers(one, SILENCE_MS)))) return false;
    if (error.name === 'KafkaJSConnectionError') return true;
    // One that answers others of our requests is slow, not away. The last of several answers no Produce at all: it
    // waits for those that are to have a copy, and without a majority nobody tells it that they are gone.
    const patience = others.length > 0 ? SILENCE_MS : NO_ANSWER_MS;
    return isTimeout(error) && !answers(broker, patience);
  }

  private lose({ error, since }: Failing): void {
    this.lostAt = since;
    const reason = isTimeout(error) ? `no answer within ${NO_ANSWER_MS / 1000} s` : says(error);
    this.print(`Broker lost: ${reason}; trying again until it is back`);
  }

  private say(failing: Failing): void {
    const name = nameOf(failing.error);
    failing.isSaid = true;
    this.heldSince ??= failing.since;
    if (this.now() - (this.said.get(name) ?? Number.NEGATIVE_INFINITY) < SAID_AGAIN_MS) return;
    this.said.set(name, this.now());
    this.print(`Held up: ${name}: ${this.describe(failing)}`);
  }

  private describe({ broker, error }: Failing): string {
    const { name } = error;
    const what = says(error);
    if (kindOf(error) === 'access') return `${what}; ${remedyOf(nameOf(error))}; trying again`;
    if (isClosed(error)) {
      const question = "is it a broker's port, and KAFKA_SECURITY_PROTOCOL the one of that port? ";
      return `${broker} closes the connection; ${this.admitting.has(broker) ? '' : question}trying again`;
    }
    if (name === 'KafkaJSConnectionError') {
      if (this.answered.has(broker)) return `${what}; other brokers answer; trying again`;
      // The best-known trap of Kafka in Docker: a client asks one address, and is sent on to another.
      if (!this.bootstrap.includes(broker))
        return `${this.bootstrap.join(', ')} was asked, and names ${broker} as the broker to talk to, which can't be reached from here (${what}); let advertised.listeners of the broker name an address that can`;
      return `${what}; ${broker} can't be reached, others can; trying again`;
    }
    return `${what}; ${remedyOf(nameOf(error))}`;
  }

  private checkGoingOn(): void {
    if (this.heldSince === undefined || this.isLost) return;
    if ([...this.failing.values()].some(({ isSaid }) => isSaid)) return;
    this.print(`Going on after ${age(this.now() - this.heldSince)}`);
    this.heldSince = undefined;
    this.said.clear();
  }

  private print(line: string): void {
    if (!this.stopping.aborted) print(line);
  }
}

/** Whether it is an answer that is part of the work: the group is rebalanced, a message is refused. */
function isPartOfWork(request: string, error: KafkaError): boolean {
  // A topic that is missing is made, and what keeps us from that is told of by the answer to that.
  const isMissing = request === 'Metadata' && error.type === 'UNKNOWN_TOPIC_OR_PARTITION';
  return isMissing || ['work', 'refused'].includes(kindOf(error));
}

/** Whether it was waited for: the others come back at once. */
function throttled(ms: number): KafkaError {
  return named('THROTTLED', `Kafka has this client wait ${age(ms)}, for it is over its quota`);
}

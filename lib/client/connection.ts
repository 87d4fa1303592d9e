import { sleep } from '../process/service';
import { LARGEST } from './codecs/too_large';
import type { KafkaError } from './errors';
import { decodeFetch } from './fetch';
import {
  askVersions,
  BaseConnection,
  BaseQueue,
  ConnectionClosedError,
  ConnectionError,
  type Exchange,
  findError,
  MUTE,
  type OwnRequest,
  type RequestName,
  RequestTimeoutError,
  socketFactory,
  toExchange,
  type Versions,
} from './kafkajs';
import { LOGIN_AHEAD_MS } from './oauth';
import type { Secured } from './security';

/** How a request ended. */
export interface Outcome {
  /** The broker's address, host:port. */
  broker: string;
  /** Kafka's name of the request; `Connect` and `Authenticate` where it was to get that far. */
  request: string;
  /** Undefined where the broker did what it was asked; of several things, the first that went wrong. */
  error?: KafkaError;
  /** The broker is over a quota of this client, and has it wait so long, in ms. */
  throttledMs?: number;
}

export type Hear = (outcome: Outcome) => void;

export interface Address {
  host: string;
  port: number;
}

/** How long to wait for a connection, for the first answer on it, and by default for an answer, in ms. */
const CONNECT_MS = 3000;
const FIRST_ANSWER_MS = 5000;
const ANSWER_MS = 10_000;
/** A time-out that comes so much too late, in ms, finds a process that stood still: the answer may be there, unread. */
const LATE_MS = 1000;
/** Bytes of the number that is before an answer, and says its size. */
const SIZE = 4;
/** Of an answer that is too large, so many bytes are read: whose it is, is told at its beginning. */
const BEGINNING = 65_536;

export interface AskOptions {
  /** How long to wait for the answer. */
  timeoutMs?: number;
  /** Of an answer for several partitions or topics, each has its own error code, and none is thrown. */
  inParts?: boolean;
  /** By the connection for fetches: on the other one something is waited for. */
  aside?: boolean;
}

/**
 * One connection to a broker, from its opening to its end. What is closed is not opened again, so nothing of it is left
 * for the next one: no half of an answer, of a login, of a wait. A request without an answer in time ends it, for what
 * made that one silent keeps the next one silent, too.
 */
export class Connection extends BaseConnection {
  private opening: Promise<void> | undefined;
  private versions: Versions = {};
  private loginFailure: unknown;
  private isOver = false;
  /** The answer that is coming, as far as its size is known. */
  private answer = Buffer.alloc(SIZE);
  private filled = 0;
  /** It is too large: its beginning is all that is read of it, and the last of this connection. */
  private isCut = false;
  /** When it has brought something last, by performance.now(). */
  heardAt = performance.now();
  /** Until when the broker, for a quota of this client, wants no request. */
  private throttledUntil = 0;

  /** @param hear is told how each request ended */
  constructor(
    { host, port }: Address,
    clientId: string,
    { ssl, sasl }: Secured,
    private readonly hear: Hear,
  ) {
    super({
      host,
      port,
      clientId,
      ssl,
      sasl,
      logger: MUTE,
      socketFactory: socketFactory(),
      connectionTimeout: CONNECT_MS,
      requestTimeout: ANSWER_MS,
      enforceRequestTimeout: false,
      reauthenticationThreshold: LOGIN_AHEAD_MS,
    });
    this.requestQueue = new Queue({
      clientId,
      broker: this.broker,
      logger: MUTE,
      isConnected: () => this.isConnected(),
      requestTimeout: ANSWER_MS,
      enforceRequestTimeout: false,
      maxInFlightRequests: null,
    });
  }

  /** It has ended: another one is to be made. */
  get isClosed(): boolean {
    return this.isOver;
  }

  /** Connects, learns which requests the broker knows, and logs in; once, whoever calls. */
  open(): Promise<void> {
    this.opening ??= this.begin().catch((error) => {
      this.close();
      throw error;
    });
    return this.opening;
  }

  /**
   * Makes one request.
   *
   * @returns its answer
   * @throws by Kafka's name what the answer says, or how it came to be none
   */
  async ask<T>(
    which: RequestName | OwnRequest,
    args: unknown,
    { timeoutMs, inParts }: AskOptions = {},
  ): Promise<T> {
    const name = typeof which === 'string' ? which : which.apiName;
    const exchange = toExchange(this.versions, which, args);
    const { request, response } = exchange;
    const read = name === 'Fetch' ? decodeFetch(request.apiVersion) : response.decode;
    const decode = (payload: Buffer) =>
      read(payload).catch((error: KafkaError) => {
        throw error.type ? error : this.refuse(error);
      });
    if (this.throttledUntil > performance.now()) await sleep(this.throttledUntil - performance.now());
    let throttledMs: number | undefined;
    let error: KafkaError | undefined;
    const parse = async (answer: { clientSideThrottleTime?: number }) => {
      throttledMs = answer.clientSideThrottleTime || undefined;
      error = await findError(exchange, answer);
      if (error && !inParts) throw error;
      return answer;
    };
    try {
      const answer = await this.within(timeoutMs ?? ANSWER_MS, name, () =>
        super.send({ request, response: { decode, parse } }),
      );
      if (throttledMs) this.throttledUntil = performance.now() + throttledMs;
      this.tell({ request: name, error, throttledMs });
      return answer as T;
    } catch (failure) {
      const cause = (this.loginFailure ?? failure) as KafkaError;
      this.tell({ request: this.loginFailure ? 'Authenticate' : name, error: cause });
      // On this connection the broker awaits the rest of the login, and takes no other one.
      if (this.loginFailure) this.close();
      throw cause;
    }
  }

  /** What the login asks goes through here. What goes wrong with it, kafkajs hides behind an error of its own. */
  override async send(exchange: Exchange): Promise<unknown> {
    try {
      return await this.within(ANSWER_MS, exchange.request.apiName, () => super.send(exchange));
    } catch (error) {
      this.loginFailure = error;
      throw error;
    }
  }

  override async authenticate(): Promise<void> {
    try {
      await super.authenticate();
    } catch (error) {
      this.loginFailure ??= error;
      throw this.loginFailure;
    }
  }

  /**
   * Joins what comes to answers: each is in memory once, of its own size, and no longer than somebody has it. An answer
   * that is none, say of a port that speaks another protocol, ends the connection.
   */
  override processData(bytes: Buffer): void {
    this.heardAt = performance.now();
    try {
      for (let at = 0; at < bytes.length; ) {
        const copied = bytes.copy(this.answer, this.filled, at);
        at += copied;
        this.filled += copied;
        if (this.filled === this.answer.length) this.goOn();
      }
    } catch (error) {
      this.refuse(error as Error);
    }
  }

  /** kafkajs calls it when the other side has ended the connection, or an error has. */
  override async disconnect(): Promise<unknown> {
    this.close();
    return true;
  }

  /** Ends it. Requests under way fail: nobody is left to hear their answers. */
  close(): void {
    this.fail(new ConnectionClosedError('Closed connection', { broker: this.broker }));
  }

  /** After the size of an answer comes the answer, after that the next size. */
  private goOn(): void {
    const { answer } = this;
    if (answer.length === SIZE) {
      const size = answer.readInt32BE();
      if (size < SIZE) throw new Error(`an answer of ${size} bytes`);
      this.isCut = size > LARGEST;
      this.answer = Buffer.allocUnsafeSlow(SIZE + (this.isCut ? BEGINNING : size));
      this.answer.writeInt32BE(this.answer.length - SIZE);
      return;
    }
    this.answer = Buffer.alloc(SIZE);
    this.filled = 0;
    super.processData(answer);
    // Of nothing that is left it would keep the whole.
    this.chunks = [];
    this.bytesBuffered = 0;
    if (this.isCut) this.close();
  }

  private async begin(): Promise<void> {
    let reached = 'Connect';
    try {
      await super.connect().catch((error: KafkaError) => {
        // What OpenSSL says of our own files; of the code kafkajs leaves nothing.
        if (/^Failed to connect: error:/.test(error.message)) error.code ??= 'ERR_TLS_OWN_CERTIFICATE';
        throw error;
      });
      reached = 'ApiVersions';
      const answer = await this.within(FIRST_ANSWER_MS, reached, () => super.send(askVersions));
      for (const { apiKey, ...range } of (answer as VersionsAnswer).apiVersions)
        this.versions[apiKey] = range;
      this.setVersions(this.versions);
      // A connection alone is no sign of a broker: a proxy may stand before it.
      this.tell({ request: 'Connect' });
      this.tell({ request: reached });
      reached = 'Authenticate';
      this.setSupportAuthenticationProtocol(true);
      await this.authenticate();
      if (this.sasl) this.tell({ request: reached });
    } catch (error) {
      this.tell({ request: reached, error: error as KafkaError });
      throw error;
    }
  }

  /** Waits for the answer so long, in ms, by a clock that only goes forward; then ends the connection. */
  private async within(ms: number, request: string, send: () => Promise<unknown>): Promise<unknown> {
    let timer: NodeJS.Timeout;
    const wait = (waitMs: number) => {
      const due = performance.now() + waitMs;
      timer = setTimeout(() => {
        if (performance.now() > due + LATE_MS) wait(LATE_MS);
        else this.fail(new RequestTimeoutError(`no answer to ${request} within ${ms / 1000} s`, {}));
      }, waitMs);
    };
    wait(ms);
    try {
      return await send();
    } finally {
      // biome-ignore lint/style/noNonNullAssertion: `wait` has set it
      clearTimeout(timer!);
    }
  }

  /** Ends the connection for an answer that can't be read. */
  private refuse({ message }: Error): Error {
    const error = new ConnectionError(`an answer that makes no sense (${message})`, { broker: this.broker });
    this.fail(error);
    return error;
  }

  private fail(error: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.connectionStatus = 'disconnected';
    this.rejectRequests(error);
    this.requestQueue.destroy();
    this.socket?.destroy();
  }

  private tell(outcome: Omit<Outcome, 'broker'>): void {
    this.hear({ broker: this.broker, ...outcome });
  }
}

/**
 * Requests that wait for their answers. None of them waits to be sent, so the timers that look after these need not run:
 * kafkajs's never rest (https://github.com/tulios/kafkajs/issues/1751).
 */
class Queue extends BaseQueue {
  override scheduleCheckPendingRequests(): void {}
  override maybeThrottle(): void {}
}

interface VersionsAnswer {
  apiVersions: { apiKey: number; minVersion: number; maxVersion: number }[];
}

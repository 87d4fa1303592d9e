/** The server that has sent the page: it tells what Kafka knows as it happens. */
import type { Listener, Source } from './source';

/** A page that nobody sees lets go of the server after so long, in ms. */
const HIDDEN_MS = 10_000;
/** A server that has refused is asked again after so long, in ms. */
const RETRY_MS = 3000;

export class Live implements Source {
  private stream: EventSource | undefined;
  private listener: Listener | undefined;
  private topic: string | undefined;
  /** The server's clock, less ours, in ms. */
  private ahead = 0;

  constructor() {
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && this.stream === undefined) this.connect();
      else if (document.hidden) setTimeout(() => this.rest(), HIDDEN_MS);
    });
  }

  listen(listener: Listener, topic?: string): void {
    this.listener = listener;
    this.topic = topic;
    this.connect();
  }

  now(): number {
    return Date.now() + this.ahead;
  }

  private connect(): void {
    this.stream?.close();
    const { topic, listener } = this;
    const stream = new EventSource(
      topic === undefined ? '/events' : `/events?topic=${encodeURIComponent(topic)}`,
    );
    const read = (event: MessageEvent<string>) => {
      const told = JSON.parse(event.data);
      this.ahead = told.now - Date.now();
      return told;
    };
    stream.addEventListener('state', (event) => listener?.onState(read(event)));
    stream.addEventListener('tick', (event) => listener?.onTick(read(event)));
    stream.addEventListener('error', () => {
      listener?.onLost();
      // Refused, it does not try again by itself.
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => this.connect(), RETRY_MS);
    });
    this.stream = stream;
  }

  private rest(): void {
    if (!document.hidden) return;
    this.stream?.close();
    this.stream = undefined;
  }
}

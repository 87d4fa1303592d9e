import { sleep, stopped, unlessStopped } from '../process/service';
import type { Trouble } from '../trouble/trouble';

/** How long a stop tries to reach a broker that is away, in ms. */
const AWAY_MS = 500;
/** How long a stop waits for one thing, in ms: a join may wait for another member's handler. */
const PATIENCE_MS = 5000;

/** The patience of a stop: some seconds for whatever may still come, and hardly any once nothing gets on. */
export class Goodbye {
  private readonly giveUp = new AbortController();

  constructor(stopping: AbortSignal, trouble: Trouble) {
    void stopped(stopping).then(async () => {
      do await sleep(AWAY_MS);
      while (!trouble.isStanding);
      this.giveUp.abort();
    });
  }

  /** Aborted when the service is to stop and the broker is away: kafkajs would try on and on. */
  get givingUp(): AbortSignal {
    return this.giveUp.signal;
  }

  /** Waits for the promise, which may fail, for at most so many ms. */
  async lastTry(promise: Promise<unknown>, ms = PATIENCE_MS): Promise<void> {
    const settled = promise.catch(() => undefined);
    await unlessStopped(this.givingUp, Promise.race([settled, sleep(ms)]));
  }
}

import { sleep, stopped, unlessStopped } from '../process/service';
import type { Trouble } from '../trouble/trouble';

/** How long a stop tries to reach a broker that is away, in ms. */
const AWAY_MS = 500;
/** How long a stop waits for one thing, in ms. */
const PATIENCE_MS = 5000;

/** The patience of a stop: some seconds for whatever may still come, and hardly any once nothing gets on. */
export class Goodbye {
  private readonly giveUp = new AbortController();

  constructor(ending: AbortSignal, trouble: Trouble) {
    void stopped(ending).then(async () => {
      do await sleep(AWAY_MS);
      while (!trouble.isStanding);
      this.giveUp.abort();
    });
  }

  /** Aborted when the service is to end and the broker is away. */
  get givingUp(): AbortSignal {
    return this.giveUp.signal;
  }

  /** Waits for the promise, which may fail, for at most so many ms. */
  async lastTry(promise: Promise<unknown>, ms = PATIENCE_MS): Promise<void> {
    const settled = promise.catch(() => undefined);
    await unlessStopped(this.givingUp, Promise.race([settled, sleep(ms)]));
  }
}

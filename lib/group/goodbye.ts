import { sleep, stopped, unlessStopped } from '../process/service';
import type { Trouble } from '../trouble/trouble';

/** How long a stop tries to reach a broker that is away, in ms. */
const AWAY_MS = 500;
/** How long a stop waits for one thing, in ms. */
const PATIENCE_MS = 5000;
/** How long after its beginning a stop waits for anything, in ms: the process ends after 10 s. */
const LATEST_MS = 9500;

/** The patience of a stop: some seconds for whatever may still come, and hardly any once nothing gets on. */
export class Goodbye {
  private readonly giveUp = new AbortController();
  /** By performance.now(). */
  private latest = Number.POSITIVE_INFINITY;

  /** @param hangUp ends what is still waited for; what is asked afterwards is asked anew */
  constructor(ending: AbortSignal, trouble: Trouble, hangUp: () => void) {
    this.giveUp.signal.addEventListener('abort', hangUp);
    void stopped(ending).then(async () => {
      this.latest = performance.now() + LATEST_MS;
      do await sleep(AWAY_MS);
      while (!trouble.isStanding);
      this.giveUp.abort();
    });
  }

  /** Aborted when the service is to end, and the broker is away, or gives no answer. */
  get givingUp(): AbortSignal {
    return this.giveUp.signal;
  }

  /** Waits some seconds for the promise, which may fail. Where there is no answer, nothing more is tried. */
  async lastTry(promise: Promise<unknown>): Promise<void> {
    const settled = promise.then(
      () => true,
      () => true,
    );
    // A handler may have had all of the time: what it has done is worth a try.
    const ms = Math.max(AWAY_MS, Math.min(PATIENCE_MS, this.latest - performance.now()));
    const late = sleep(ms).then(() => false);
    const isSettled = await unlessStopped(this.givingUp, Promise.race([settled, late]));
    if (!isSettled) this.giveUp.abort();
  }
}

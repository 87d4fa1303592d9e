import type { FetchedBatch, Life, Membership } from '../client/client';
import { Commits } from '../handling/commits';
import type { Worker } from '../handling/worker';
import { sleep, unlessStopped } from '../process/service';
import { hopeless } from '../trouble/errors';
import type { Starts } from './starts';

/** Before a start that could not be found is looked for again, in ms. */
const RETRY_MS = 200;

/**
 * A member's life between two rebalances: where its partitions start, the records on their way to the worker, what is
 * to be committed. Made with the join, and of no effect once the generation is over: there is nothing to reset.
 */
export class Generation implements Life {
  readonly commits: Commits;
  private readonly worker: Worker;
  private isOver = false;
  /** The records under way from kafkajs to the worker. */
  private taking: Promise<unknown> = Promise.resolve();

  /**
   * @param stopping nothing more is taken
   * @param givingUp nothing more is waited for: the broker is away
   */
  constructor(
    private readonly membership: Membership,
    private readonly starts: Starts,
    private readonly stopping: AbortSignal,
    givingUp: AbortSignal,
    makeWorker: (commits: Commits) => Worker,
  ) {
    this.commits = new Commits(async (offsets) => {
      await unlessStopped(givingUp, membership.commit(offsets));
      if (givingUp.aborted) throw new Error('The broker is away');
    });
    this.worker = makeWorker(this.commits);
  }

  async begin(interrupted: () => boolean): Promise<void> {
    while (!interrupted() && !this.stopping.aborted) {
      try {
        await this.starts.place(this.membership);
        return;
      } catch (error) {
        // Whether it may be put right yet, the member knows.
        if (hopeless(error)) throw error;
        // The broker is away, or the group is rebalancing: of that the next heartbeat tells.
        await sleep(RETRY_MS, this.stopping);
      }
    }
  }

  async take(batch: FetchedBatch, interrupted: () => boolean): Promise<void> {
    const isInterrupted = () => interrupted() || this.isOver || this.stopping.aborted;
    // What is not taken comes again.
    if (isInterrupted()) return;
    const fetched = { records: batch.records(), end: batch.next };
    const taking = this.worker.take(batch.partition, fetched, isInterrupted);
    this.taking = taking.catch(() => undefined);
    const next = await taking;
    // Over meanwhile: the position is the next generation's to choose.
    if (this.isOver) return;
    this.membership.seek(batch.partition, next);
    // What can be committed now does not come again after the rebalance.
    if (interrupted() && !this.stopping.aborted) await this.commits.commit();
  }

  async outOfRange(): Promise<void> {
    this.starts.doubt();
    await this.finish();
    await this.commits.commit();
  }

  /** Handles what was taken. */
  async finish(): Promise<void> {
    await this.taking;
    await this.worker.finish();
  }

  end(): void {
    this.isOver = true;
    this.worker.end();
    this.commits.end();
  }
}

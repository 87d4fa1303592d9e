/** Of several brokers, those that answer: one that does not holds up neither the others nor the picture. */
import type { ClusterReader } from './reader';

/** One that gives no answer is asked whether it is back so often, in ms. */
const PROBE_MS = 1000;

export class Brokers {
  /** As the cluster told last. */
  ids: number[] = [];
  /** Those that gave no answer, and since when, in ms since 1970. */
  readonly silent = new Map<number, number>();

  /** @param onSilence called when one gives no answer */
  constructor(
    private readonly reader: ClusterReader,
    private readonly onSilence: () => void,
  ) {}

  /** What each of them answers; what the only one refuses is thrown, of several nothing comes of it. */
  async ofEach<T>(ask: (broker: number) => Promise<T>): Promise<T[]> {
    const answers = await Promise.all(this.ids.map((id) => this.of(id, ask)));
    return answers.filter((answer): answer is Awaited<T> & {} => answer !== undefined);
  }

  /** Undefined where it gives none, or has not been giving any. */
  async of<T>(id: number, ask: (broker: number) => Promise<T>): Promise<T | undefined> {
    if (!this.ids.includes(id) || this.silent.has(id)) return undefined;
    try {
      return await ask(id);
    } catch (error) {
      if (this.ids.length <= 1) throw error;
      this.onSilence();
      // What Kafka itself says is an answer.
      const { type } = error as { type?: string };
      if (type === undefined && !this.silent.has(id)) void this.awaitReturn(id);
      return undefined;
    }
  }

  private async awaitReturn(id: number): Promise<void> {
    this.silent.set(id, Date.now());
    while (this.ids.includes(id) && this.ids.length > 1) {
      const isBack = await this.reader.probe(id).then(
        () => true,
        () => false,
      );
      if (isBack) break;
      await new Promise((resolve) => setTimeout(resolve, PROBE_MS).unref());
    }
    this.silent.delete(id);
  }
}

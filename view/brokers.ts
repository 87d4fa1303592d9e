/** Of several brokers, those that answer: one that does not holds up neither the others nor the picture. */
import { kindOf } from '../lib/client/errors';
import type { ClusterReader } from './reader';

/** One that gives no answer is asked whether it is back so often, in ms. */
const PROBE_MS = 1000;

export class Brokers {
  /** As the cluster told last. */
  ids: number[] = [];
  /** When each was probed last, in ms since 1970. */
  private readonly probed = new Map<number, number>();

  /** @param onSilence called when one gives no answer */
  constructor(
    private readonly reader: ClusterReader,
    private readonly onSilence: () => void,
  ) {}

  /** Those that give no answer, of several, and since when, in ms since 1970. */
  silent(): Map<number, number> {
    const since = this.ids.map((id) => [id, this.reader.silentSince(id)] as const);
    return new Map(this.ids.length > 1 ? since.filter((one): one is [number, number] => !!one[1]) : []);
  }

  /** What each of them answers; what the only one refuses is thrown, of several nothing comes of it. */
  async ofEach<T>(ask: (broker: number) => Promise<T>): Promise<T[]> {
    const answers = await Promise.all(this.ids.map((id) => this.of(id, ask)));
    return answers.filter((answer): answer is Awaited<T> & {} => answer !== undefined);
  }

  /** Undefined where it gives none, or has not been giving any. */
  async of<T>(id: number, ask: (broker: number) => Promise<T>): Promise<T | undefined> {
    if (!this.ids.includes(id)) return undefined;
    if (this.silent().has(id)) {
      this.probe(id);
      return undefined;
    }
    try {
      return await ask(id);
    } catch (error) {
      // One that has just started is still reading its groups: that is an answer.
      if (this.ids.length <= 1 && kindOf(error) !== 'coordinator') throw error;
      this.onSilence();
      return undefined;
    }
  }

  private probe(id: number): void {
    const now = Date.now();
    if (now - (this.probed.get(id) ?? 0) < PROBE_MS) return;
    this.probed.set(id, now);
    this.reader.probe(id);
  }
}

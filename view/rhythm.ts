/** How often is asked for what: while somebody watches, and while nobody does. */

/** In ms. */
const WATCHED = {
  round: 200,
  cluster: 1000,
  topics: 10_000,
  list: 1000,
  describe: 500,
  others: 5000,
  ages: 1000,
};
const UNWATCHED: typeof WATCHED = {
  round: 5000,
  cluster: 15_000,
  topics: 60_000,
  list: 15_000,
  describe: 15_000,
  others: 60_000,
  ages: 15_000,
};
type Question = keyof typeof WATCHED;

export class Rhythm {
  /** When each was asked last, in ms since 1970. */
  private readonly asked = new Map<string, number>();

  constructor(private readonly isWatched: () => boolean) {}

  /** In ms. */
  every(question: Question): number {
    return (this.isWatched() ? WATCHED : UNWATCHED)[question];
  }

  /** Whether to ask it now: then it was asked. */
  isDue(question: Question, topic = ''): boolean {
    const now = Date.now();
    const asked = this.asked.get(`${question} ${topic}`) ?? 0;
    // The rounds before were a little late, or early.
    if (now - asked < this.every(question) - WATCHED.round / 2) return false;
    this.asked.set(`${question} ${topic}`, now);
    return true;
  }

  /** It is to be asked at once; all are where none is named. */
  forget(question?: Question): void {
    if (question === undefined) this.asked.clear();
    else this.asked.delete(`${question} `);
  }
}

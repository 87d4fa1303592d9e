/** What a round of questions to Kafka has learnt: data, in no order. */
import type { Written } from './commits';
import type { ClusterAnswer, CommittedAnswer, GroupAnswer, LogAnswer } from './reader';

export interface Answers {
  /** When Kafka gave the last of them, in ms since 1970. */
  now: number;
  /** Absent where it was not asked for. */
  cluster?: ClusterAnswer;
  /** Of several brokers, those that give no answer, and since when. */
  silent: ReadonlyMap<number, number>;
  /** The groups of the cluster, as far as they are followed; absent where they were not asked for. */
  groups?: {
    described: GroupAnswer[];
    /** Their coordinator gave no answer: of them nothing is known. */
    unanswered: ReadonlySet<string>;
  };
  written: Written[];
  /** Whether what is written can be read at all: where not, what is committed first seen has to do. */
  isWrittenReadable: boolean;
  /** What groups have committed. It was asked for before the ends of the logs were: so none can lie beyond them. */
  committed: { group: string; coordinator: number; offsets: CommittedAnswer }[];
  /** Of one topic. */
  logs: LogAnswer[];
  /** Timestamps of messages that are not committed, of one topic. */
  ages: { group: string; partition: number; offset: number; timestamp: number }[];
}

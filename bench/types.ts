/** What is measured, and how bench/results.json keeps it. */
import type { Admin } from 'kafkajs';
import type { Broker } from '../local/broker';

/** A figure measured in several rounds. */
export interface Figure {
  median: number;
  low: number;
  high: number;
}

export interface Throughput {
  client: string;
  partitions: number;
  /** `read only`: a tool that does nothing with the messages, and commits none. */
  mode: 'one by one' | 'batches of 1,000' | 'read only';
  /** Messages a second. */
  rate: Figure;
}

/** From the producer's tick to the consumer's line, in ms. */
export interface Latency {
  client: string;
  /** Messages a second. */
  rate: number;
  p50: Figure;
  p99: Figure;
  max: Figure;
}

export interface Start {
  where: 'in Docker' | 'without Docker';
  part: string;
  seconds: Figure;
}

/** Of a process of the demo, as it sends and receives one message a second. */
export interface Cost {
  process: string;
  /** In percent of one core. */
  cpu: Figure;
  /** Resident, in MB. */
  memory: Figure;
}

/** A history replayed by a service in the heap of its container; once, for its length. */
export interface History {
  service: string;
  messages: number;
  seconds: number;
  /** Resident, in MB: after the first message, then after each twentieth of the history. */
  memory: number[];
}

/** The live view beside the demo. */
export interface View {
  /** Its server beside the demo, in percent of a core: with nobody watching, and with a page. */
  unwatched: number;
  watched: number;
  /** From the tick of the producer to the cell on the page, in ms. */
  shownAfter: { p50: number; p99: number };
  much?: Much;
}

/** The live view with 1,000 messages a second to show, and 20 groups that all move; once, for its length. */
export interface Much {
  minutes: number;
  /** Frames a second that the page draws, at 1440 x 1000 pixels, and at 3840 x 2160. */
  frames: Figure;
  framesAt4K: Figure;
  /** The server with that much, in percent of a core. */
  busy: Figure;
  /** The server's process, resident, and the page's heap, in MB: sampled at even distances. */
  server: number[];
  page: number[];
}

/** The parts of the bench, by name. */
export interface Rows {
  throughput: Throughput[];
  latency: Latency[];
  start: Start[];
  cost: Cost[];
  history: History[];
  view: View[];
}

/** When, where and of what the rows were measured. */
export interface Circumstances {
  date: string;
  rounds: number;
  machine: string;
  versions: Record<string, string>;
  /** What could not be measured, each with the reason. */
  missing: string[];
}

export type Results = { [Part in keyof Rows]?: { circumstances: Circumstances; rows: Rows[Part] } };

/** A client, installed. Its commands get KAFKA_BROKERS, KAFKA_TOPIC and GROUP_ID. */
export interface Client {
  name: string;
  version: string;
  environment?: Record<string, string>;
  /**
   * Joins the group, parses BENCH_MESSAGES messages, or as many as it can in BENCH_SECONDS, one by one or in batches
   * of BENCH_BATCH, commits them, and prints {"messages", "seconds"}, from its assignment on, as its last error line.
   */
  consume?: string[];
  /** Reads BENCH_MESSAGES messages, alone and without a commit. */
  read?: string[];
  /** Prints each new message as a line. */
  follow: string[];
}

/** A broker, and how to measure on it. */
export interface Lab {
  broker: Broker;
  admin: Admin;
  dataDir: string;
  rounds: number;
  /** Only a trial: few messages, whose figures are not kept. */
  short: boolean;
  /** What could not be measured, each with the reason. */
  missing: string[];
  /** Prints where the bench is. */
  progress(what: string): void;
}

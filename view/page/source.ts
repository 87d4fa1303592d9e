/** Where the page has what it shows from: a server that tells it live, or a recording that is played. */
import type { Snapshot, Tick } from '../picture';

export interface Source {
  /** Begins to tell, once it has returned, of the topic that is named; of its own where none is. */
  listen(listener: Listener, topic?: string): void;
  /** The moment that is the present there, in ms since 1970. */
  now(): number;
  /** Of a recording, which can be stopped and wound. What is live can't: the page looks back on what it remembers. */
  readonly player?: Player;
}

export interface Listener {
  /** All there is to know: first of all, and again after a break or a jump in time. */
  onState(snapshot: Snapshot): void;
  onTick(tick: Tick): void;
  /** Nothing is told for a while. */
  onLost(): void;
}

export interface Player {
  /** What it spans, in ms since 1970. */
  readonly from: number;
  readonly to: number;
  readonly isPlaying: boolean;
  /** From the beginning, where it is at its end. */
  play(): void;
  pause(): void;
  /** Jumps to that moment, and goes on from there if it was playing. */
  seek(at: number): void;
}

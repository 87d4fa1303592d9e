/** Plays recordings: each tick is told when its time has come, as a server would tell it. */
import { type Recording, told } from '../recording';
import type { Listener, Player, Source } from './source';

export class Recorded implements Source, Player {
  private listener: Listener | undefined;
  /** The tick that is told next. */
  private next = 0;
  /** The moment that was reached when it was last stopped or wound, in ms since 1970. */
  private reached: number;
  /** When that was, by a clock that only goes forward, if it has been playing since. */
  private since: number | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private recording: Recording) {
    this.reached = this.from;
  }

  readonly player = this;

  get from(): number {
    return this.recording.state.now;
  }

  get to(): number {
    return this.recording.ticks.at(-1)?.now ?? this.from;
  }

  get isPlaying(): boolean {
    return this.since !== undefined && this.now() < this.to;
  }

  now(): number {
    const passed = this.since === undefined ? 0 : performance.now() - this.since;
    return Math.min(this.to, this.reached + passed);
  }

  listen(listener: Listener): void {
    this.listener = listener;
    queueMicrotask(() => this.load(this.recording));
  }

  /** Plays another one, from its beginning. */
  load(recording: Recording): void {
    this.recording = recording;
    this.next = 0;
    this.since = performance.now();
    this.seek(this.from);
  }

  play(): void {
    if (this.isPlaying) return;
    const isOver = this.now() >= this.to;
    this.since = performance.now();
    if (isOver) this.seek(this.from);
    else this.tell();
  }

  pause(): void {
    this.reached = this.now();
    this.since = undefined;
    clearTimeout(this.timer);
  }

  seek(at: number): void {
    // What was told can't be taken back: then all is told anew.
    const isBack = at < this.now() || this.next === 0;
    if (this.since !== undefined) this.since = performance.now();
    this.reached = Math.min(Math.max(at, this.from), this.to);
    if (isBack) {
      this.next = 0;
      this.listener?.onState(structuredClone(this.recording.state));
    }
    this.tell();
  }

  /** All that has come to its time; and then the next one, once it has. */
  private tell(): void {
    clearTimeout(this.timer);
    const { ticks } = this.recording;
    for (let tick = ticks[this.next]; tick && tick.now <= this.now(); tick = ticks[this.next]) {
      this.next++;
      this.listener?.onTick(structuredClone(told(tick)));
    }
    const later = ticks[this.next];
    if (later && this.since !== undefined)
      this.timer = setTimeout(() => this.tell(), later.now - this.now() + 1);
  }
}

/** The time that is looked at: to be stopped, and wound back. */
import { age } from '../../lib/message/age';
import { clock } from './words';

export interface TimeProps {
  /** What can be looked at, and what is, in ms since 1970. */
  from: number;
  to: number;
  at: number;
  isStopped: boolean;
  /** What the button does, in a word or two, while it is stopped. */
  goOn: string;
  onStop(): void;
  onGoOn(): void;
  onSeek(at: number): void;
}

/** The slider knows seconds: of one, what its end was. */
export function Time({ from, to, at, isStopped, goOn, onStop, onGoOn, onSeek }: TimeProps) {
  const told = to - at < 1000 ? clock(at) : `${clock(at)}, ${age(to - at)} ago`;
  return (
    <div class="time">
      <button type="button" aria-pressed={isStopped} onClick={isStopped ? onGoOn : onStop}>
        {isStopped ? `▶ ${goOn}` : '❚❚ pause'}
      </button>
      <input
        type="range"
        aria-label="moment"
        aria-valuetext={told}
        min={second(from)}
        max={second(to)}
        value={second(at)}
        onInput={({ currentTarget }) => onSeek(Math.min(to, Number(currentTarget.value) * 1000 + 999))}
      />
      <output>{told}</output>
    </div>
  );
}

const second = (at: number) => Math.floor(at / 1000);

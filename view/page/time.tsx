/** The time that is looked at: to be stopped, and wound back; with a mark where something happened. */
import { age } from '../../lib/message/age';
import { lookOf } from './look';
import { second } from './past';
import type { Frame, Store } from './store';
import { clock } from './words';

/** The slider knows seconds: of one, what its end was. */
export function Time({ frame: { present, picture }, store }: { frame: Frame; store: Store }) {
  const { player } = store.source;
  const now = store.lookedAt ?? present;
  const from = player?.from ?? store.since();
  const to = player?.to ?? present;
  const ago = to - now < 1000 ? clock(now) : `${clock(now)}, ${age(to - now)} ago`;
  const told = player ? `${clock(now)}, ${second(now - from)} of ${second(to - from)} s` : ago;
  const isStopped = store.isStopped();
  return (
    <div class="time">
      <button
        type="button"
        aria-pressed={isStopped}
        aria-keyshortcuts="Space"
        onClick={() => store.pauseOrGoOn()}
      >
        {isStopped ? `▶ ${player ? 'play' : 'back to now'}` : '❚❚ pause'}
      </button>
      <div class="slider">
        <input
          type="range"
          aria-label="moment"
          aria-valuetext={told}
          min={second(from)}
          max={second(to)}
          value={second(now)}
          onInput={({ currentTarget }) => store.lookAt(momentOf(Number(currentTarget.value), to))}
        />
        <div class="marks" aria-hidden="true">
          {store.known?.happenings.map(({ id, at, kind, group }) => {
            const name = group === undefined ? undefined : picture.groups[group]?.name;
            if (at < from || at > to) return null;
            return (
              <i
                key={id}
                class={`mark kind-${kind} ${name ? lookOf(name).colour : ''}`}
                style={{ left: `${(((at - from) / Math.max(1, to - from)) * 100).toFixed(2)}%` }}
              />
            );
          })}
        </div>
      </div>
      <output>{told}</output>
    </div>
  );
}

/** The end of that second; of the last one, the present. */
const momentOf = (seconds: number, to: number) => (seconds >= second(to) ? undefined : seconds * 1000 + 999);

/** What happened, in the order in which it did: each with the way to its moment. */
import { lookOf } from './look';
import type { Frame, Store } from './store';
import { clock } from './words';

/** So many are in the document. */
const SHOWN = 100;

export function Happenings({ frame: { happenings, picture }, store }: { frame: Frame; store: Store }) {
  const latest = happenings.slice(-SHOWN);
  return (
    <section class="happenings" aria-labelledby="happenings">
      <h2 id="happenings">What happened</h2>
      {latest.length === 0 && <p class="quiet">Nothing yet: start or stop a consumer.</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and the keyboard is to reach that too */}
      <section class="scroll" tabIndex={0} aria-label="in the order in which it did">
        <ol>
          {latest.map(({ id, at, text, kind, group }) => {
            const name = group === undefined ? undefined : picture.groups[group]?.name;
            return (
              <li key={id} class={`happening kind-${kind} ${name ? lookOf(name).colour : ''}`}>
                <button type="button" title="look at this moment" onClick={() => store.lookAt(at + 999)}>
                  <time dateTime={new Date(at).toISOString()}>{clock(at)}</time>
                </button>
                <span>{text}</span>
              </li>
            );
          })}
        </ol>
      </section>
    </section>
  );
}

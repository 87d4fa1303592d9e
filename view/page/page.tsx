/** The page: draws what the store knows, at most once a frame, and in a fifth of the time at most. */
import { render } from 'preact';
import { Brokers } from './brokers';
import { Groups } from './groups';
import { Happenings } from './happenings';
import { Head } from './head';
import { Lane } from './lane';
import type { Source } from './source';
import { DEMO, type Frame, Store } from './store';
import { Table } from './table';
import { followAttention, Term, TipLayer } from './tip';

/** After a drawing, nothing is drawn for so many times as long as it took: what moves meanwhile moves smoothly. */
const REST = 4;
/** What takes less, in ms, misses no more than one frame. */
const QUICK_MS = 40;
/** A consumer of the demo may have so many messages in hand, and is not behind. */
const IN_HAND = 6;
/** Ages grow also while nothing is told, in ms. */
const AGEING_MS = 500;

/** Fills the element, and keeps it as the source tells. To be called once. */
export function show(source: Source, root: HTMLElement = document.body): void {
  let isDrawing = false;
  let restsUntil = 0;
  const store = new Store(source, draw);

  /** @param isWanted by who looks at it: so it does not wait */
  function draw(isWanted = false): void {
    if (isDrawing || (!isWanted && performance.now() < restsUntil)) return;
    isDrawing = true;
    requestAnimationFrame(() => {
      isDrawing = false;
      const begin = performance.now();
      render(<Page store={store} />, root);
      rooms.observe(document.querySelector('.track') ?? root);
      // The next frame comes once this one is painted.
      requestAnimationFrame(() => {
        const took = performance.now() - begin;
        restsUntil = took < QUICK_MS ? 0 : performance.now() + REST * took;
      });
    });
  }

  const rooms = new ResizeObserver(() => store.resize(document.querySelector('.track')?.clientWidth ?? 0));
  setInterval(draw, AGEING_MS);
  followAttention(store);
  addEventListener('keydown', (event) => {
    const { key, target } = event;
    const isTaken = target instanceof Element && target.closest('button, input, select, summary');
    if (key !== ' ' || isTaken) return;
    event.preventDefault();
    store.pauseOrGoOn();
  });
  draw();
}

function Page({ store }: { store: Store }) {
  const frame = store.frame();
  if (!frame)
    return (
      <main class="waiting">
        <h1>Kafka, live</h1>
        <p role="status">
          {store.connection === 'lost' ? 'The live view does not answer; trying again.' : 'Connecting …'}
        </p>
      </main>
    );
  const { picture, shown, lanes, old } = frame;
  const mood = old !== undefined ? 'is-old' : store.lookedAt !== undefined ? 'is-past' : '';
  // Where there is room below the lanes.
  const isShort = Object.keys(lanes).length * Math.max(4, shown.length) <= 12;
  return (
    <div class={`page ${mood} ${shown.length > 6 ? 'many' : ''}`}>
      <Head frame={frame} store={store} />
      <main>
        <div class="lanes">
          <Hint />
          {picture.missing !== undefined && (
            <p class="notice">Waiting for the producer: it makes the topic {picture.topic}.</p>
          )}
          {Object.entries(lanes).map(([id, lane]) => {
            const partition = picture.partitions[id];
            return (
              partition && (
                <Lane key={id} id={id} partition={partition} {...lane} frame={frame} store={store} />
              )
            );
          })}
          {isShort && <Happenings frame={frame} store={store} />}
          {!store.source.player && hasCaughtUp(frame) && <Next />}
          <details class="as-table" onToggle={({ currentTarget }) => store.openTable(currentTarget.open)}>
            <summary>All figures as a table</summary>
            {store.isTableOpen && <Table frame={frame} />}
          </details>
        </div>
        <div class="side">
          <Groups frame={frame} store={store} />
          {!isShort && <Happenings frame={frame} store={store} />}
          <Brokers frame={frame} />
        </div>
      </main>
      <TipLayer frame={frame} store={store} />
    </div>
  );
}

/** The demo's consumers are there, and have handled all but what they have in hand. */
function hasCaughtUp({ picture: { groups }, old }: Frame): boolean {
  const ours = Object.values(groups).filter(({ name }) => DEMO.includes(name));
  return old === undefined && ours.length === DEMO.length && ours.every(({ lag }) => lag <= IN_HAND);
}

function Next() {
  return (
    <p class="hint">
      All have caught up. Try next: <code>docker compose restart consumer_from_oldest</code>, which comes as a
      new group, and begins at 0 again. More, and how it is typed without Docker, is in the README.
    </p>
  );
}

function Hint() {
  return (
    <p class="hint">
      A numbered cell is a message, at its <Term word="offset" />: <i class="sample none" /> none,{' '}
      <i class="sample some" /> some, <i class="sample all" /> all groups have committed it. Each group begins
      at its mark, and its flag stands at the message that it reads next. A dash of its line is one{' '}
      <Term word="commit" />, the stripe is what it has not committed.
    </p>
  );
}

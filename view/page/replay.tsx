/** The page of the recordings, each of which has a name in the address: `#the-first-run`. */
import { render } from 'preact';
import type { Recording, Shown } from '../recording';
import { show } from './page';
import { Recorded } from './player';

const read = (id: string) => document.getElementById(id) as HTMLElement;
const scenes = JSON.parse(read('recordings').textContent ?? '') as Shown[];
const chosen = () => scenes.find(({ slug }) => `#${slug}` === location.hash) ?? (scenes[0] as Shown);

const source = new Recorded(chosen().recording);
addEventListener('hashchange', () => {
  source.load(chosen().recording);
  head();
});
head();
show(source, read('page'));

function head(): void {
  const { slug, caption, recording } = chosen();
  render(
    <section class="scenes" aria-label="Recordings">
      <nav>
        {scenes.map((one) => (
          <a key={one.slug} href={`#${one.slug}`} aria-current={one.slug === slug}>
            {one.title}
          </a>
        ))}
      </nav>
      <p class="caption">{caption}</p>
      <p class="quiet">
        A recording of the demo on a real Kafka, made on {dayOf(recording)}, at its own pace. Live it is{' '}
        <code>./buildAndRun.sh --view</code>.
      </p>
    </section>,
    read('scenes'),
  );
}

function dayOf({ state }: Recording): string {
  return new Date(state.now).toLocaleDateString('en-GB', { dateStyle: 'long' });
}

/** The brokers: who is there, who leads what. With one there is not much to say. */
import { age } from '../../lib/message/age';
import { listed } from '../sentences';
import type { Frame } from './store';
import { Term } from './tip';

export function Brokers({ frame }: { frame: Frame }) {
  const { now } = frame;
  const old = frame.old === undefined ? undefined : now - frame.old;
  const brokers = Object.entries(frame.picture.brokers);
  return (
    <section class="brokers" aria-labelledby="brokers">
      <details open={brokers.length > 1}>
        <summary>
          <h2 id="brokers">{brokers.length === 1 ? 'One broker' : `${brokers.length} brokers`}</h2>
        </summary>
        <ul>
          {brokers.map(([id, { gone, silent }]) => (
            <BrokerItem key={id} id={id} away={gone ?? silent ?? old} frame={frame} />
          ))}
        </ul>
        <p class="quiet">
          A broker can be the <Term word="leader" /> of partitions, <Term word="in sync" /> with their leader,
          and the <Term word="coordinator" /> of groups.
        </p>
      </details>
    </section>
  );
}

/** @param away since when, in ms since 1970 */
function BrokerItem({ id, away, frame }: { id: string; away: number | undefined; frame: Frame }) {
  const { picture, now } = frame;
  const number = Number(id);
  const { host, port } = picture.brokers[id] ?? {};
  const partitions = Object.entries(picture.partitions);
  const leads = partitions.filter(([, { leader }]) => leader === number).map(([one]) => Number(one));
  const behind = partitions
    .filter(([, { replicas, isr }]) => replicas.includes(number) && !isr.includes(number))
    .map(([one]) => Number(one));
  const groups = Object.values(picture.groups).filter(({ coordinator }) => coordinator === number);
  return (
    <li class={`broker ${away === undefined ? '' : 'is-away'}`}>
      <b>broker {id}</b>{' '}
      <span class="quiet">
        {host}:{port}
      </span>
      {away !== undefined && <span class="bad"> no answer for {age(now - away)}</span>}
      <p>
        leads {leads.length === 0 ? 'no partition' : listed(leads)}
        {behind.length > 0 && <span class="bad">; not in sync in {listed(behind)}</span>}
        {groups.length > 0 && `; coordinates ${groups.map(({ name }) => name).join(', ')}`}
      </p>
    </li>
  );
}

/** What happened, which brokers there are, and all figures as a table. */
import { age } from '../../lib/message/age';
import type { Group, Happening, Picture } from '../picture';
import { clock, colourOf, count, Term, type Word } from './words';

/** So many happenings are in the document. */
const SHOWN = 100;

export function Happenings({
  happenings,
  picture,
  now,
}: {
  happenings: Happening[];
  picture: Picture;
  now: number;
}) {
  const until = happenings.filter(({ at }) => at <= now + 1).slice(-SHOWN);
  return (
    <section class="happenings" aria-labelledby="happenings">
      <h2 id="happenings">What happened</h2>
      {until.length === 0 && <p class="quiet">Nothing yet: start or stop a consumer.</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and the keyboard is to reach that too */}
      <ol tabIndex={0} aria-labelledby="happenings">
        {until.reverse().map((one) => {
          const name = one.group === undefined ? undefined : picture.groups[one.group]?.name;
          return (
            <li
              key={`${one.at} ${one.text}`}
              class={`happening kind-${one.kind} ${name ? colourOf(name) : ''}`}
            >
              <time dateTime={new Date(one.at).toISOString()}>{clock(one.at)}</time>
              <span>{withTerms(one.text)}</span>
            </li>
          );
        })}
      </ol>
    </section>
  );
}

const WORDS: Record<string, Word> = {
  rebalance: 'rebalance',
  offset: 'offset',
  commit: 'commit',
  'in sync': 'in sync',
  controller: 'controller',
  coordinates: 'coordinator',
};

/** The first word of the trade in each sentence explains itself. */
function withTerms(text: string) {
  const [found] = text.match(/\b(rebalance|commit|offset|in sync|controller|coordinates)\b/) ?? [];
  if (!found) return text;
  const at = text.indexOf(found);
  return [text.slice(0, at), <Term word={WORDS[found] as Word}>{found}</Term>, text.slice(at + found.length)];
}

export function Brokers({ picture, now }: { picture: Picture; now: number }) {
  const partitions = Object.entries(picture.partitions);
  return (
    <section class="brokers" aria-labelledby="brokers">
      <h2 id="brokers">Brokers</h2>
      <ul>
        {Object.entries(picture.brokers).map(([id, { host, port, gone, silent }]) => {
          const number = Number(id);
          const leads = partitions
            .filter(([, { leader }]) => leader === number)
            .map(([partition]) => partition);
          const behind = partitions
            .filter(([, { replicas, isr }]) => replicas.includes(number) && !isr.includes(number))
            .map(([partition]) => partition);
          const groups = Object.values(picture.groups).filter(({ coordinator }) => coordinator === number);
          const since = gone ?? silent ?? picture.silent?.since;
          return (
            <li key={id} class={`broker ${since === undefined ? '' : 'is-away'}`}>
              <b>broker {id}</b>{' '}
              <span class="quiet">
                {host}:{port}
              </span>
              {since !== undefined && <span class="bad">no answer for {age(now - since)}</span>}
              {picture.controller === number && (
                <span class="badge">
                  <Term word="controller" />
                </span>
              )}
              <dl>
                <dt>leads</dt>
                <dd>{listOf(leads)}</dd>
                {behind.length > 0 && <dt class="bad">not in sync</dt>}
                {behind.length > 0 && <dd class="bad">{listOf(behind)}</dd>}
                <dt>coordinates</dt>
                <dd>
                  {groups.length === 0
                    ? 'no group'
                    : groups.map(({ name }) => <span class={`dot ${colourOf(name)}`}>{name} </span>)}
                </dd>
              </dl>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function listOf(partitions: string[]): string {
  if (partitions.length === 0) return 'no partition';
  return `${partitions.length === 1 ? 'partition' : 'partitions'} ${partitions.join(', ')}`;
}

export function Table({
  picture,
  groups,
  now,
}: {
  picture: Picture;
  groups: [string, Group][];
  now: number;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and the keyboard is to reach that too
    <section class="table" tabIndex={0} aria-label="All figures">
      <table>
        <caption class="visually-hidden">Where each group stands in each partition</caption>
        <thead>
          <tr>
            {[
              'group',
              'partition',
              'first offset',
              'committed',
              'next offset',
              'lag',
              'oldest unread',
              'member',
            ].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {groups.flatMap(([id, group]) =>
            Object.entries(picture.partitions).map(([partition, { start, end }]) => {
              const offset = group.offsets[partition];
              const owner = Object.values(group.members).find(({ partitions }) =>
                partitions.includes(Number(partition)),
              );
              return (
                <tr key={`${id} ${partition}`}>
                  <th scope="row" class={colourOf(group.name)}>
                    {group.name}
                  </th>
                  <td>{partition}</td>
                  <td>{count(start)}</td>
                  <td>{offset ? count(offset.committed) : 'none'}</td>
                  <td>{count(end)}</td>
                  <td>{offset ? count(offset.lag) : ''}</td>
                  <td>{offset?.oldest === undefined ? '' : age(now - offset.oldest)}</td>
                  <td>{owner ? `${owner.letter} ${owner.client}` : 'none'}</td>
                </tr>
              );
            }),
          )}
        </tbody>
      </table>
    </section>
  );
}

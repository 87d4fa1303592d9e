/** All figures as a table: what the lanes show, in numbers. */
import { age } from '../../lib/message/age';
import { lookOf } from './look';
import type { Frame } from './store';
import { count } from './words';

const COLUMNS = [
  'group',
  'partition',
  'log from',
  'began at',
  'committed',
  'next',
  'not committed',
  'for',
  'member',
];

export function Table({ frame: { picture, shown, now } }: { frame: Frame }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and the keyboard is to reach that too
    <section class="table" tabIndex={0} aria-label="All figures">
      <table>
        <caption class="visually-hidden">Where each group stands in each partition</caption>
        <thead>
          <tr>
            {COLUMNS.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.flatMap(([id, { name, offsets, owners, members, commitsItsBeginning }]) =>
            Object.entries(picture.partitions).map(([partition, { start, end }]) => {
              const offset = offsets[partition];
              const { member = '', letter } = owners[partition] ?? {};
              const began = commitsItsBeginning ? offset?.first?.offset : undefined;
              return (
                <tr key={`${id} ${partition}`}>
                  <th scope="row" class={lookOf(name).colour}>
                    {name}
                  </th>
                  <td>{partition}</td>
                  <td>{count(start)}</td>
                  <td>{began === undefined ? '' : count(began)}</td>
                  <td>{offset ? count(offset.committed) : 'none'}</td>
                  <td>{count(end)}</td>
                  <td>{offset ? count(offset.lag) : ''}</td>
                  <td>{offset?.oldest === undefined ? '' : age(now - offset.oldest)}</td>
                  <td>
                    {members[member]
                      ? `${letter} ${members[member].client} at ${members[member].host}`
                      : 'none'}
                  </td>
                </tr>
              );
            }),
          )}
        </tbody>
      </table>
    </section>
  );
}

/** The messages of a lane: a cell for each, or, where they come too fast to be read, a bar for each second. */
import { age } from '../../lib/message/age';
import type { Group, Message, Offset, Partition } from '../picture';
import { lookOf } from './look';
import type { Past } from './past';
import { left, place, type Scale, stretch } from './scale';
import type { Tip } from './store';
import { clock, count, messages as messagesText } from './words';

export interface CellsProps {
  id: string;
  partition: Partition;
  /** In the order in which they are shown. */
  groups: [string, Group][];
  messages: Message[];
  scale: Scale;
  tip: Tip | undefined;
}

/** One of them can be reached by the tabulator, its neighbours by the arrows. */
export function Cells({ id, partition: { start, end }, groups, scale, tip }: CellsProps) {
  const from = Math.max(start, scale.first, 0);
  const to = Math.min(end, scale.first + scale.span);
  const offsets = Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index);
  const told = tip && 'partition' in tip && tip.partition === id ? tip.offset : undefined;
  const readers = groups.filter(([, { members }]) => Object.keys(members).length > 0);
  return (
    <ol class="cells" onKeyDown={moveFocus}>
      {offsets.map((offset) => (
        <li
          key={offset}
          class={`cell ${stateOf(offset, id, readers)}`}
          style={{ left: left(scale, offset), width: `${(100 / scale.span).toFixed(3)}%` }}
        >
          <button
            type="button"
            tabIndex={offset === (told ?? to - 1) ? 0 : -1}
            data-partition={id}
            data-offset={offset}
            aria-label={`offset ${offset}`}
            aria-describedby={offset === told ? 'tip' : undefined}
          >
            {offset}
          </button>
        </li>
      ))}
    </ol>
  );
}

/** Whether a message is, to a group: before it began, none of its. */
function relation(offset: number, standing: Offset | undefined, isBeginning = false) {
  const first = standing?.first?.offset ?? 0;
  if (standing && isBeginning && offset < first) return 'not for it';
  return standing && standing.committed > offset ? 'committed' : 'not committed';
}

/** How many of the groups that somebody is in have committed it: none, some, all; or it was for none of them. */
function stateOf(offset: number, id: string, readers: [string, Group][]): string {
  const all = readers.map(([, { offsets, commitsItsBeginning }]) =>
    relation(offset, offsets[id], commitsItsBeginning),
  );
  const concerned = all.filter((one) => one !== 'not for it');
  if (concerned.length === 0) return all.length === 0 ? 'none' : 'not-for';
  const done = concerned.filter((one) => one === 'committed').length;
  return done === 0 ? 'none' : done < concerned.length ? 'some' : 'all';
}

type DetailsProps = Pick<CellsProps, 'id' | 'groups' | 'messages'> & { offset: number; now: number };

/** What a cell says of itself. */
export function Details({ offset, id, messages, groups, now }: DetailsProps) {
  const message = messages.find((one) => one.offset === offset);
  return (
    <dl>
      <dt>offset</dt>
      <dd>{count(offset)}</dd>
      {message?.key !== undefined && <dt>key</dt>}
      {message?.key !== undefined && <dd class="value">{message.key}</dd>}
      <dt>value</dt>
      <dd class="value">
        {message === undefined && "older than this page's memory"}
        {message && (message.value ?? 'no value (a "tombstone")')}
        {message?.isCut && '…'}
      </dd>
      {message && message.bytes > 200 && <dt>size</dt>}
      {message && message.bytes > 200 && <dd>{count(message.bytes)} bytes</dd>}
      {message && <dt>time</dt>}
      {message && (
        <dd>
          {message.timestamp < 0
            ? 'unknown'
            : `${clock(message.timestamp)}, ${age(now - message.timestamp)} ago`}
        </dd>
      )}
      {groups.map(([groupId, { name, offsets, commitsItsBeginning }]) => {
        const standing = offsets[id];
        if (!standing) return null;
        const is = relation(offset, standing, commitsItsBeginning);
        return [
          <dt key={groupId} class={lookOf(name).colour}>
            {name}
          </dt>,
          <dd key={`${groupId} is`}>
            {is === 'not for it' ? `${is}: it began at ${standing.first?.offset}` : is}
          </dd>,
        ];
      })}
    </dl>
  );
}

function moveFocus(event: KeyboardEvent): void {
  const cell = (event.target as HTMLElement).closest('.cell');
  const other = {
    ArrowLeft: cell?.previousElementSibling,
    ArrowRight: cell?.nextElementSibling,
    Home: cell?.parentElement?.firstElementChild,
    End: cell?.parentElement?.lastElementChild,
  }[event.key];
  if (!other) return;
  event.preventDefault();
  other.querySelector('button')?.focus();
}

type BarsProps = Pick<CellsProps, 'id' | 'partition' | 'scale'> & { past: Past; now: number };

/** A bar for each second: as wide as the messages that came in it. */
export function Bars({ id, partition: { start, end }, scale, past, now }: BarsProps) {
  const bars: { from: number; to: number; at: number }[] = [];
  let to = { at: now, end };
  for (const { at, picture } of past.back(now)) {
    if (to.end <= scale.first) break;
    const before = picture.partitions[id]?.end ?? -1;
    if (before < 0) break;
    if (to.end > before) bars.push({ from: Math.max(before, start), to: to.end, at: to.at });
    to = { at, end: before };
  }
  return (
    <div class="bars">
      {bars.map(({ from, to, at }) => (
        <div
          key={Math.floor(at / 1000)}
          class={`bar ${Math.floor(at / 1000) % 2 ? 'odd' : ''}`}
          style={stretch(scale, from, to)}
          title={`offsets ${count(from)} to ${count(to - 1)}: ${messagesText(to - from)}, ${clock(at)}`}
        >
          {place(scale, to) - Math.max(0, place(scale, from)) > 8 && count(to - from)}
        </div>
      ))}
    </div>
  );
}

/** Where a group stands in a partition: where it began, its commits, its flag, what it has not committed, and its past. */
import type { Group, Offset, Owner, Partition } from '../picture';
import { began } from '../sentences';
import { Chart } from './chart';
import { lookOf } from './look';
import { type Step, stepsOf } from './past';
import { left, place, type Scale, stretch } from './scale';
import type { Frame } from './store';
import { count } from './words';

/** Of a commit, so long is shown how far it went, in ms. */
const STEP_SHOWN_MS = 1500;
/** One of whom nothing is heard for so long, in ms, though there is something to commit, may not be there any more. */
const QUIET_MS = 7000;
/** What is nearer to the lane's left edge, in per cent of its width, leaves no room there for anything else. */
const NARROW = 12;
/** Commits that are nearer to each other than this, in per cent of the lane, are one dash. */
const NEAREST = 0.7;

export interface RowProps {
  groupId: string;
  id: string;
  group: Group;
  partition: Partition;
  scale: Scale;
  frame: Frame;
}

/** What a row draws of: where the group stands, and since when nothing was heard of it, in ms. */
interface Mark {
  group: Group;
  offset: Offset;
  /** Who reads the partition, or read it last. */
  owner: Owner | undefined;
  quiet: number | undefined;
  scale: Scale;
  now: number;
}

export function Row({ groupId, id, group, partition, scale, frame }: RowProps) {
  const { now, past, picture } = frame;
  const offset = group.offsets[id];
  const { colour, shape } = lookOf(group.name);
  const mark = offset && {
    group,
    offset,
    owner: group.owners[id],
    quiet: quietFor(group, id, now),
    scale,
    now,
  };
  return (
    <div class={`lane-row group-row ${colour} ${group.gone ? 'is-gone' : ''}`}>
      <span class="lane-name" title={group.name}>
        <span class="group-name">
          <i class="shape">{shape}</i> {group.name}
        </span>
        {frame.shown.length <= 6 && offset?.first && (
          <small>{began(offset.first, group.commitsItsBeginning === true)}</small>
        )}
      </span>
      <div class="track">
        {mark && (
          <div class="rail">
            <NotForIt {...mark} />
            <div class="lag" style={stretch(scale, mark.offset.committed, partition.end)} />
            <Line offset={mark.offset} steps={stepsOf(past, picture, now, groupId, id)} scale={scale} />
            <Again {...mark} />
            <Flag {...mark} />
          </div>
        )}
      </div>
      <span class="figures">
        <span>{group.gone ? 'gone' : mark ? <Standing {...mark} /> : 'nothing committed'}</span>
        <Chart groupId={groupId} id={id} frame={frame} />
      </span>
    </div>
  );
}

/** Since when nothing was heard of who reads the partition, in ms; undefined where nothing is amiss. */
export function quietFor({ offsets, members, owners }: Group, id: string, now: number): number | undefined {
  const { lag = 0, at, oldest } = offsets[id] ?? {};
  if (lag === 0 || oldest === undefined || Object.keys(members).length === 0) return undefined;
  const quiet = now - Math.max(at ?? 0, oldest, owners[id]?.since ?? 0);
  return quiet > QUIET_MS ? quiet : undefined;
}

function Standing({ offset: { lag, oldest }, quiet, now }: Mark) {
  if (lag === 0) return <>all committed</>;
  const seconds = oldest === undefined ? 0 : Math.floor((now - oldest) / 1000);
  return (
    <span class={quiet === undefined ? '' : 'warn'}>
      <b>{count(lag)}</b> not committed{seconds >= 2 && `, for ${span(seconds)}`}
    </span>
  );
}

const span = (seconds: number) => (seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`);

/** Before it began: hatched; and where that was, at the left edge where it is out of sight. */
function NotForIt({ offset: { first, committed }, group, scale }: Mark) {
  if (!first) return null;
  const isOut = place(scale, first.offset) < 0;
  const { shape } = lookOf(group.name);
  const title = `${group.name}: ${began(first, group.commitsItsBeginning === true)}`;
  return (
    <>
      {!isOut && group.commitsItsBeginning && first.offset > first.start && (
        <div class="not-for" style={stretch(scale, first.start, first.offset)} />
      )}
      {place(scale, committed) > (isOut ? NARROW : 0) && (
        <div
          class={`began ${isOut ? 'is-out' : ''}`}
          style={{ left: left(scale, first.offset) }}
          title={title}
        >
          {isOut ? `◂${shape} ${first.offset}` : shape}
        </div>
      )}
    </>
  );
}

/** One dash for each commit. */
function Line({ offset, steps, scale }: Pick<Mark, 'offset' | 'scale'> & { steps: Iterable<Step> }) {
  const x = (at: number) => Math.min(100, Math.max(0, place(scale, at)));
  const begin = x(offset.first?.offset ?? scale.first);
  const dashes: string[] = [];
  let end = x(offset.committed);
  for (const { from } of steps) {
    const at = x(from);
    if (at <= begin) break;
    if (end - at < NEAREST) continue;
    dashes.push(`M${at.toFixed(3)} 0H${end.toFixed(3)}`);
    end = at;
  }
  if (end > begin) dashes.push(`M${begin.toFixed(3)} 0H${end.toFixed(3)}`);
  return (
    <svg class="line" viewBox="0 -1 100 2" preserveAspectRatio="none" aria-hidden="true">
      <path d={dashes.join('')} />
      <path
        class="gaps"
        d={dashes
          .map((dash) => dash.replace(/^M(\S+) 0H.*/, 'M$1 -1V1'))
          .slice(0, -1)
          .join('')}
      />
    </svg>
  );
}

/** What comes twice: after a commit that went back, or from where another member goes on. */
function Again({ offset: { again }, owner, scale }: Mark) {
  const taken = owner?.from !== undefined && owner.at !== undefined ? owner.at : undefined;
  const at = taken === undefined ? -1 : place(scale, taken);
  return (
    <>
      {again && place(scale, again.to) > 0 && (
        <div class="again" style={stretch(scale, again.from, again.to)}>
          comes again
        </div>
      )}
      {at >= 0 && at <= 100 && (
        <div
          class="taken"
          style={{ left: `${at.toFixed(3)}%` }}
          title={`${owner?.letter} goes on at ${taken}: what ${owner?.from} handled after that comes again`}
        >
          <small>
            {owner?.letter} from {taken}
          </small>
        </div>
      )}
    </>
  );
}

/** It stands at the message that is read next. */
function Flag({ offset: { committed, step, at, first }, owner, group, quiet, scale, now }: Mark) {
  const isThere = owner !== undefined && group.members[owner.member] !== undefined;
  const x = place(scale, committed);
  const isOut = x < 0;
  const isFresh =
    step !== undefined &&
    at !== undefined &&
    now - at < STEP_SHOWN_MS &&
    now >= at &&
    x > NARROW &&
    !scale.isBars;
  // Where it stands at its beginning, the mark of that is there.
  const hasLetter = isThere && !isOut && x - place(scale, first?.offset ?? -1) > 100 / scale.span / 2;
  return (
    <div
      class={`flag ${isOut ? 'is-out' : ''} ${x > 88 && scale.isBars ? 'is-right' : ''} ${quiet !== undefined || !isThere ? 'is-quiet' : ''}`}
      data-committed={committed}
      style={{ left: left(scale, committed) }}
      title={`committed: ${committed}. All before it is done, and it reads on from there`}
    >
      {hasLetter && <b class="letter">{owner.letter}</b>}
      <span class="badge">{isOut ? `◂ ${count(committed)}` : committed}</span>
      {isFresh && (
        <em key={committed} class="step">
          +{count(step)}
        </em>
      )}
    </div>
  );
}

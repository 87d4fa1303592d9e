/** The groups: their state, their members with their partitions, and how their lag went. */
import { Component } from 'preact';
import { type Group, type Happening, lagOf, type Memory, merge, PAST_MS, type Picture } from '../picture';
import { colourOf, count, messages, Term } from './words';

/** How long a partition that has moved is shown as such, in ms. */
const MOVE_SHOWN_MS = 12_000;

const STATES: Record<string, string> = {
  Stable: 'stable',
  PreparingRebalance: 'rebalancing: waiting for its members',
  CompletingRebalance: 'rebalancing: dealing out',
  Empty: 'nobody there',
  Dead: 'gone',
};

export interface GroupsProps {
  groups: [string, Group][];
  happenings: Happening[];
  histories: Map<string, History>;
  now: number;
  /** The right end of the time axis; `now`, or later when looking back. */
  until: number;
}

export function Groups({ groups, happenings, histories, now, until }: GroupsProps) {
  return (
    <section class="groups" aria-labelledby="groups">
      <h2 id="groups">
        <Term word="group">Groups</Term>
      </h2>
      {groups.length === 0 && <p class="quiet">No group reads this topic.</p>}
      {groups.map(([id, group]) => (
        <Card
          key={id}
          id={id}
          group={group}
          happenings={happenings}
          history={histories.get(id)}
          now={now}
          until={until}
        />
      ))}
      {groups.length > 0 && (
        <p class="axis quiet">
          <span>ten minutes ago</span>
          <span>
            <i class="band-sample" /> <Term word="rebalance" />
          </span>
          <span>now</span>
        </p>
      )}
    </section>
  );
}

/** Twice a second is enough for what is read, not watched. */
const REDRAW_MS = 450;

interface CardProps extends Pick<GroupsProps, 'happenings' | 'now' | 'until'> {
  id: string;
  group: Group;
  history: History | undefined;
}

class Card extends Component<CardProps> {
  private drawn = 0;

  shouldComponentUpdate({ now, group }: CardProps): boolean {
    return Math.abs(now - this.drawn) > REDRAW_MS || group.members !== this.props.group.members;
  }

  render({ id, group, happenings, history, now, until }: CardProps) {
    this.drawn = now;
    return (
      <article class={`group ${colourOf(group.name)} ${group.gone ? 'is-gone' : ''}`}>
        <header>
          <h3 class="group-name" title={group.name}>
            {group.name}
          </h3>
          <span class={`state state-${group.gone ? 'Dead' : group.state}`}>
            {STATES[group.gone ? 'Dead' : group.state] ?? group.state}
          </span>
          <span class="quiet">
            <Term word="coordinator" /> broker {group.coordinator}
          </span>
        </header>
        <Lesson group={group} />
        <ul class="members">
          {Object.entries(group.members).map(([memberId, { letter, client, host, partitions }]) => (
            <li key={memberId}>
              <b class="letter">{letter}</b>
              <span class="client" title={memberId}>
                {client} <span class="quiet">at {host}</span>
              </span>
              <span class="dealt">
                {partitions.length === 0 && <span class="quiet">no partition</span>}
                {partitions.map((partition) => {
                  const from = movedFrom(happenings, id, partition, letter, now);
                  return (
                    <span key={partition} class={`chip ${from ? 'is-moved' : ''}`}>
                      {from && <span class="from">{from} →</span>}
                      {partition}
                    </span>
                  );
                })}
              </span>
            </li>
          ))}
          {Object.keys(group.members).length === 0 && (
            <li class="quiet">
              no <Term word="member" />
            </li>
          )}
        </ul>
        <LagLine lag={group.lag} history={history} now={now} until={until} />
      </article>
    );
  }
}

/** What the group began with, and how far each of its commits goes: in this consumers differ. */
function Lesson({ group }: { group: Group }) {
  const offsets = Object.values(group.offsets);
  const firsts = offsets.flatMap(({ first }) => first ?? []);
  const ahead = firsts.reduce((sum, one) => sum + one.ahead, 0);
  const step = Math.max(0, ...offsets.map((one) => one.step ?? 0));
  return (
    <p class="lesson">
      {firsts.length > 0 && (
        <span>
          {ahead === 0
            ? 'began at the end: only new messages'
            : firsts.every(({ from }) => from !== 'between')
              ? `began at the oldest: ${count(ahead)} to replay`
              : `began with ${messages(ahead)} ahead`}
        </span>
      )}
      {step > 0 && (
        <span>
          last <Term word="commit" />: <b>+{count(step)}</b>
        </span>
      )}
    </p>
  );
}

function movedFrom(
  happenings: Happening[],
  group: string,
  partition: number,
  to: string,
  now: number,
): string | undefined {
  for (let index = happenings.length - 1; index >= 0; index--) {
    const one = happenings[index] as Happening;
    if (one.at < now - MOVE_SHOWN_MS) return undefined;
    if (one.at <= now && one.group === group && one.move?.partition === partition)
      return one.move.to === to ? one.move.from : undefined;
  }
  return undefined;
}

/** How a group's lag went, and when it was rebalanced. */
export interface History {
  lags: { at: number; lag: number }[];
  rebalances: { from: number; to: number | undefined }[];
  /** How many rebalances there were when it was noted last. */
  counted: number;
}

/** Of each group, from what the page remembers; after that `note` goes on with it. */
export function histories({ past }: Memory): Map<string, History> {
  const all = new Map<string, History>();
  let picture = past.base;
  note(all, past.since, picture);
  for (const { at, change } of past.changes) {
    picture = merge(picture, change);
    note(all, at, picture);
  }
  return all;
}

/** Adds a moment to the histories, and lets go of what is older than ten minutes. */
export function note(all: Map<string, History>, at: number, picture: Picture): void {
  for (const [id, group] of Object.entries(picture.groups)) {
    const history = all.get(id) ?? { lags: [], rebalances: [], counted: group.rebalances };
    all.set(id, history);
    const { lags, rebalances } = history;
    const lag = Object.entries(group.offsets).reduce((sum, [id, one]) => sum + lagOf(picture, id, one), 0);
    if (lags.at(-1)?.lag !== lag) lags.push({ at, lag });
    const last = rebalances.at(-1);
    if (last && last.to === undefined && !isRebalance(group.state)) last.to = at;
    if (group.rebalances > history.counted)
      rebalances.push({ from: at, to: isRebalance(group.state) ? undefined : at });
    history.counted = group.rebalances;
    while (lags[1] && lags[1].at < at - PAST_MS) lags.shift();
    while (rebalances[0]?.to !== undefined && rebalances[0].to < at - PAST_MS) rebalances.shift();
  }
  for (const [id, { lags }] of all)
    if (!picture.groups[id] && (lags.at(-1)?.at ?? 0) < at - PAST_MS) all.delete(id);
}

const isRebalance = (state: string) => state.endsWith('Rebalance');

/** A line that goes up and down each second shows nothing: of so many ms, it shows the highest. */
const BUCKET_MS = 5000;

function highestOf(lags: History['lags'], until: number): History['lags'] {
  const buckets: History['lags'] = [];
  let index = 0;
  let lag: number | undefined;
  for (let at = Math.floor((until - PAST_MS) / BUCKET_MS) * BUCKET_MS; at < until; at += BUCKET_MS) {
    let highest = lag;
    for (; index < lags.length && (lags[index] as History['lags'][0]).at < at + BUCKET_MS; index++) {
      lag = (lags[index] as History['lags'][0]).lag;
      highest = Math.max(highest ?? 0, lag);
    }
    if (highest !== undefined && highest !== buckets.at(-1)?.lag) buckets.push({ at, lag: highest });
  }
  return buckets;
}

const WIDTH = 600;
const HEIGHT = 46;

function LagLine({
  lag,
  history,
  now,
  until,
}: {
  lag: number;
  history: History | undefined;
  now: number;
  until: number;
}) {
  const { lags = [], rebalances = [] } = history ?? {};
  const x = (at: number) => WIDTH - ((until - at) / PAST_MS) * WIDTH;
  const highest = Math.max(1, lag, ...lags.map((one) => one.lag));
  const y = (one: number) => HEIGHT - 2 - (one / highest) * (HEIGHT - 8);
  let path = '';
  for (const { at, lag: one } of highestOf(lags, until))
    path +=
      path === '' ? `M${x(at).toFixed(1)} ${y(one).toFixed(1)}` : `H${x(at).toFixed(1)}V${y(one).toFixed(1)}`;
  if (path) path += `H${x(until).toFixed(1)}`;
  const label = `lag ${messages(lag)} now, at most ${count(highest)} in the last ten minutes; rebalanced ${rebalances.length} times`;
  return (
    <div class="lag">
      <span class="lag-now">
        <Term word="lag" /> <b>{count(lag)}</b>
      </span>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
        {rebalances.map(({ from, to }) => (
          <rect
            key={from}
            class="band"
            x={x(from) - 1.5}
            width={Math.max(3, x(to ?? now) - x(from))}
            y="0"
            height={HEIGHT}
          />
        ))}
        {path && <path class="lag-area" d={`${path}V${HEIGHT}H${/M([-\d.]+)/.exec(path)?.[1]}Z`} />}
        {path && <path class="lag-line" d={path} />}
        {until - now > 500 && <line class="cursor" x1={x(now)} x2={x(now)} y1="0" y2={HEIGHT} />}
      </svg>
      <span class="lag-most">{count(highest)}</span>
    </div>
  );
}

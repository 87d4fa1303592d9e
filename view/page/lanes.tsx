/** The partitions as lanes: the messages, and below them, on the same scale, where each group stands. */
import { Component } from 'preact';
import { age } from '../../lib/message/age';
import type { Group, Message, Partition } from '../picture';
import { clock, colourOf, count, messages as messagesText, Term } from './words';

/** From so many messages a second on, cells could not be read: they become bars, and below the other one, cells again. */
const BARS_FROM = 12;
const CELLS_BELOW = 8;
/** What bars show at least, in seconds. */
const BARS_SECONDS = 12;
/** How long what moves is on its way, in ms. */
const GLIDE_MS = 240;
/** Cells beyond the left side: they are seen while new ones glide in. */
const ARRIVING = 4;
const JUMP_SHOWN_MS = 1800;

export interface LaneProps {
  id: number;
  partition: Partition;
  /** In the order in which they are shown. */
  groups: [string, Group][];
  messages: Message[];
  /** The moment that is shown, by Kafka's side of the clock, in ms since 1970. */
  now: number;
  /** The ends of the log in the seconds before, oldest first. */
  ends: { at: number; end: number }[];
  isLive: boolean;
  /** Of the drawing, in pixels. */
  width: number;
  /** Whether there are few enough of what moves to be on their way for a while. */
  glides: boolean;
  /** The size of the letters, in pixels. */
  rem: number;
}

/** Where the lane has its offsets. */
interface Scale {
  bars: boolean;
  /** The first offset that has a place. */
  first: number;
  /** Pixels of a message. */
  step: number;
  /** Where the end of the log is. */
  endX: number;
  x(offset: number): number;
}

/** Tells the lanes that come into sight, or nearly so: the others need not be drawn each time. */
const sight = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) inSight.get(target)?.(isIntersecting);
  },
  { rootMargin: '300px' },
);
const inSight = new WeakMap<Element, (isInSight: boolean) => void>();

export class Lane extends Component<LaneProps> {
  private strip: HTMLElement | null = null;
  private isInSight = true;
  private areBars = false;
  private rate = 0;

  render(props: LaneProps) {
    const { id, partition, groups, messages, now, ends, width, glides } = props;
    this.rate = rateOf(ends, partition.end, now);
    this.areBars = this.rate > (this.areBars ? CELLS_BELOW : BARS_FROM);
    const scale = scaleOf(props, this.areBars, this.rate);
    const { start, end, stable, leader, isr, replicas } = partition;
    return (
      <section class="lane" aria-labelledby={`lane-${id}`} ref={this.observe}>
        <header class="lane-head">
          <h2 id={`lane-${id}`}>
            <Term word="partition">Partition</Term> {id}
          </h2>
          <span>{end > start ? `offsets ${count(start)} to ${count(end - 1)}` : 'empty'}</span>
          <span class="rate">
            {this.rate >= 10 ? Math.round(this.rate) : this.rate.toFixed(1)} messages/s
          </span>
          {leader < 0 ? (
            <span class="bad">no leader</span>
          ) : (
            <span>
              <Term word="leader">leader</Term> broker {leader}
            </span>
          )}
          <span class={isr.length < replicas.length ? 'bad' : ''}>
            <Term word="in sync">in sync</Term> {isr.length} of {replicas.length}
          </span>
          {stable !== undefined && (
            <span class="bad">readable up to {count(stable)}: a transaction is open</span>
          )}
        </header>
        <div class="lane-row">
          <span class="lane-name">messages{scale.bars && <small> one bar a second</small>}</span>
          <div class="track cells-track">
            <div
              class="strip"
              ref={(strip: HTMLElement | null) => {
                this.strip = strip;
              }}
            >
              {start >= scale.first && start > 0 && (
                <div class="gone-before" style={{ width: `${Math.max(0, scale.x(start))}px` }}>
                  deleted
                </div>
              )}
              {scale.bars ? (
                <Bars ends={ends} end={end} start={start} scale={scale} now={now} />
              ) : (
                <Cells
                  id={id}
                  partition={partition}
                  groups={groups}
                  messages={messages}
                  scale={scale}
                  now={now}
                />
              )}
            </div>
            <div
              class="next"
              style={{ left: `${scale.endX}px`, width: `${Math.max(2, width - scale.endX)}px` }}
            >
              <span>{width - scale.endX > 24 ? count(end) : ''}</span>
            </div>
          </div>
          <span class="figures">next: {count(end)}</span>
        </div>
        {groups.map(([groupId, group]) => (
          <Track key={groupId} id={id} group={group} scale={scale} now={now} width={width} glides={glides} />
        ))}
      </section>
    );
  }

  shouldComponentUpdate(): boolean {
    return this.isInSight;
  }

  private readonly observe = (section: HTMLElement | null) => {
    if (!section || inSight.has(section)) return;
    sight.observe(section);
    inSight.set(section, (isInSight) => {
      this.isInSight = isInSight;
      if (isInSight) this.forceUpdate();
    });
  };

  componentDidUpdate(before: LaneProps): void {
    const arrived = this.props.partition.end - before.partition.end;
    if (!this.strip || arrived <= 0 || !this.props.isLive || !before.isLive || isStill()) return;
    if (!this.props.glides) return;
    const { step } = scaleOf(this.props, this.areBars, this.rate);
    if (arrived * step > this.props.width) return;
    this.strip.animate([{ transform: `translateX(${arrived * step}px)` }, { transform: 'none' }], {
      duration: GLIDE_MS,
      easing: this.areBars ? 'linear' : 'ease-out',
    });
  }
}

function scaleOf(
  { id, partition: { end }, groups, width, rem }: LaneProps,
  bars: boolean,
  rate: number,
): Scale {
  if (!bars) {
    const step = (count(end).length * 0.55 + 0.9) * rem;
    const endX = width - step;
    return {
      bars,
      step,
      endX,
      first: end - Math.ceil(endX / step) - ARRIVING,
      x: (offset) => endX - (end - offset) * step,
    };
  }
  const lag = Math.max(0, ...groups.map(([, { offsets }]) => offsets[id]?.lag ?? 0));
  const shown = roundUp(Math.max(rate * BARS_SECONDS, lag * 1.1));
  const endX = width - 14;
  const step = endX / shown;
  return { bars, step, endX, first: end - shown * 1.2, x: (offset) => endX - (end - offset) * step };
}

/** To one digit, so that the scale stays as it is for a while. */
function roundUp(number: number): number {
  const unit = 10 ** Math.floor(Math.log10(Math.max(1, number)));
  return Math.ceil(number / unit) * unit;
}

/** Messages a second, of the last five seconds. */
function rateOf(ends: { at: number; end: number }[], end: number, now: number): number {
  const from = ends[ends.findLastIndex(({ at }) => at <= now - 5000)] ?? ends[0];
  if (!from || now - from.at < 500) return 0;
  return ((end - from.end) * 1000) / (now - from.at);
}

interface CellsProps extends Pick<LaneProps, 'id' | 'partition' | 'groups' | 'messages' | 'now'> {
  scale: Scale;
}

/** A cell for each offset. One of them can be reached by the tabulator, its neighbours by the arrows. */
function Cells({ id, partition, groups, messages, scale, now }: CellsProps) {
  const { start, end } = partition;
  const from = Math.max(start, scale.first, 0);
  const known = new Map(messages.map((message) => [message.offset, message]));
  const committed = groups
    .map(([, { offsets }]) => offsets[id]?.committed)
    .filter((one) => one !== undefined);
  const offsets = Array.from({ length: Math.max(0, end - from) }, (_, index) => from + index);
  return (
    <ol class="cells" onKeyDown={moveFocus}>
      {offsets.map((offset) => {
        const message = known.get(offset);
        const readers = committed.filter((one) => one > offset).length;
        const state =
          committed.length === 0
            ? ''
            : readers === 0
              ? 'unread'
              : readers < committed.length
                ? 'some'
                : 'read';
        const x = scale.x(offset);
        const side = x < 150 ? 'tip-right' : x > scale.endX - 150 ? 'tip-left' : '';
        return (
          <li key={offset} class={`cell ${state}`} style={{ left: `${x}px`, width: `${scale.step}px` }}>
            <button type="button" tabIndex={offset === end - 1 ? 0 : -1} aria-label={`offset ${offset}`}>
              {count(offset)}
            </button>
            <div class={`tip ${side}`} role="tooltip">
              <Details offset={offset} message={message} groups={groups} id={id} now={now} />
            </div>
          </li>
        );
      })}
    </ol>
  );
}

function Details({
  offset,
  message,
  groups,
  id,
  now,
}: {
  offset: number;
  message: Message | undefined;
  groups: [string, Group][];
  id: number;
  now: number;
}) {
  const reads = groups.flatMap(([, group]) => {
    const committed = group.offsets[id]?.committed;
    return committed === undefined ? [] : [{ name: group.name, isDone: committed > offset }];
  });
  return (
    <dl>
      <dt>offset</dt>
      <dd>{count(offset)}</dd>
      <dt>value</dt>
      <dd class="value">
        {message === undefined && 'not seen by this page'}
        {message && (message.value ?? 'none: a tombstone')}
        {message?.value !== undefined && message.bytes > message.value.length * 4 && '…'}
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
      {reads.map(({ name, isDone }) => [
        <dt class={colourOf(name)}>{name}</dt>,
        <dd>{isDone ? 'committed' : 'not committed yet'}</dd>,
      ])}
    </dl>
  );
}

function moveFocus(event: KeyboardEvent): void {
  const cell = (event.target as HTMLElement).closest('.cell');
  const other =
    event.key === 'ArrowLeft'
      ? cell?.previousElementSibling
      : event.key === 'ArrowRight'
        ? cell?.nextElementSibling
        : event.key === 'Home'
          ? cell?.parentElement?.firstElementChild
          : event.key === 'End'
            ? cell?.parentElement?.lastElementChild
            : undefined;
  if (!other) return;
  event.preventDefault();
  other.querySelector('button')?.focus();
}

/** A bar for each second: as wide as the messages that came in it. */
function Bars({
  ends,
  end,
  start,
  scale,
  now,
}: Pick<LaneProps, 'ends' | 'now'> & { end: number; start: number; scale: Scale }) {
  const bars: { from: number; to: number; at: number }[] = [];
  let to = { at: now, end };
  for (let index = ends.length - 1; index >= 0 && to.end > scale.first; index--) {
    const from = ends[index] as (typeof ends)[number];
    if (from.at > now) continue;
    if (to.end > from.end) bars.push({ from: Math.max(from.end, start), to: to.end, at: to.at });
    to = from;
  }
  return (
    <div class="bars">
      {bars.map(({ from, to, at }) => (
        <div
          key={Math.floor(at / 1000)}
          class={`bar ${Math.floor(at / 1000) % 2 ? 'odd' : ''}`}
          style={{ left: `${scale.x(from)}px`, width: `${Math.max(1, (to - from) * scale.step)}px` }}
          title={`offsets ${count(from)} to ${count(to - 1)}: ${messagesText(to - from)}, ${clock(at)}`}
        >
          {(to - from) * scale.step > 64 && count(to - from)}
        </div>
      ))}
    </div>
  );
}

interface TrackProps {
  id: number;
  group: Group;
  scale: Scale;
  now: number;
  width: number;
  /** Whether there are few enough to be on their way for a while. */
  glides: boolean;
}

/** Where a group stands in a partition: its flag, and what it has yet to read. */
class Track extends Component<TrackProps> {
  private committed: number | undefined;
  private jump: { from: number; to: number; at: number } | undefined;

  render({ id, group, scale, now, width, glides }: TrackProps) {
    const offset = group.offsets[id];
    const name = colourOf(group.name);
    const owner = Object.values(group.members).find(({ partitions }) => partitions.includes(id));
    if (glides && this.committed !== undefined && offset && offset.committed > this.committed)
      this.jump = { from: this.committed, to: offset.committed, at: now };
    this.committed = offset?.committed;
    if (this.jump && Math.abs(now - this.jump.at) > JUMP_SHOWN_MS) this.jump = undefined;
    const at = offset ? scale.x(offset.committed) : 0;
    const isOut = at < 0;
    const flag = Math.max(0, at);
    const flagWidth = scale.endX - flag;
    const began = offset?.first && scale.x(offset.first.offset);
    return (
      <div class={`lane-row track-row ${name} ${group.gone ? 'is-gone' : ''}`}>
        <span class="lane-name group-name" title={group.name}>
          {group.name}
          {owner && <small> {owner.letter}</small>}
        </span>
        <div class="track">
          {offset && (
            <div class="rail">
              <div class="to-read" style={place(glides, flag, Math.max(0, flagWidth))} />
              {began !== undefined && (
                <div
                  class="done"
                  style={place(glides, Math.max(0, began), Math.max(0, flag - Math.max(0, began)))}
                />
              )}
              {began !== undefined && began >= 0 && (
                <div
                  class="began"
                  style={place(glides, began)}
                  title={`${group.name} began at offset ${offset.first?.offset}`}
                />
              )}
              {offset.again !== undefined && (
                <div
                  class="again"
                  style={{
                    left: `${flag}px`,
                    width: `${Math.max(4, Math.min(scale.x(offset.again), width) - flag)}px`,
                  }}
                >
                  delivered again
                </div>
              )}
              <div
                class={`flag ${isOut ? 'is-out' : ''} ${flag < 70 ? 'is-left' : ''}`}
                data-committed={offset.committed}
                style={place(glides, flag)}
                title={`${group.name} has committed offset ${offset.committed}: all before it is done`}
              >
                <span>{isOut ? `◂ ${count(offset.committed)}` : count(offset.committed)}</span>
                {this.jump && (
                  <em key={this.jump.to} class="jump">
                    +{count(this.jump.to - this.jump.from)}
                  </em>
                )}
              </div>
            </div>
          )}
        </div>
        <span class="figures">
          {!offset && 'nothing committed'}
          {offset && offset.lag === 0 && 'all read'}
          {offset && offset.lag > 0 && (
            <span>
              <b>{count(offset.lag)}</b> to read
              {offset.oldest !== undefined && (
                <span>
                  , <span class="wide">oldest </span>
                  {age(now - offset.oldest)}
                </span>
              )}
            </span>
          )}
        </span>
      </div>
    );
  }
}

/** What glides is moved by the compositor; of many things, that alone would take more than all the rest. */
function place(glides: boolean, x: number, width?: number) {
  if (glides) return { transform: `translateX(${x}px)${width === undefined ? '' : ` scaleX(${width})`}` };
  return { left: `${x}px`, ...(width === undefined ? {} : { width: `${width}px` }) };
}

function isStill(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}

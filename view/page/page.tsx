/** The page: listens to its source, remembers ten minutes, and draws what it knows, now or then. */
import { render } from 'preact';
import { age } from '../../lib/message/age';
import {
  type Group,
  Memory,
  type Message,
  merge,
  PAST_MS,
  type Picture,
  type Snapshot,
  type Tick,
  withLags,
} from '../picture';
import { Groups, type History, histories, note } from './groups';
import { Lane } from './lanes';
import { Brokers, Happenings, Table } from './side';
import type { Listener, Source } from './source';
import { Time } from './time';
import { clock, colourOf, Term } from './words';

/** Messages of a partition that are kept for looking back. */
const MESSAGES = 2400;
/** What is older than this, in ms, is said to be old. */
const OLD_MS = 2000;
/** So many flags are many: groups times partitions. */
const MANY = 100;

let source: Source;
let root: HTMLElement;
let known: Snapshot | undefined;
let memory: Memory | undefined;
let connection: 'connecting' | 'open' | 'lost' = 'connecting';
/** The moment that is looked at, if it is not now. */
let then: { at: number; picture: Picture } | undefined;
let isTableOpen = false;
let width = 0;
let rem = 14;
/** The second, since 1970, that the lines and the bars know. */
let notedIn = 0;
let past = new Map<string, History>();
let ends: Record<string, { at: number; end: number }[]> = {};

const parameters = new URLSearchParams(location.search);
let topic = parameters.get('topic') ?? undefined;
/** The names of the groups that are shown; undefined for all. */
let chosen = parameters.has('group') ? parameters.getAll('group').filter(Boolean) : undefined;

// --- What the server tells

const listener: Listener = {
  onState(snapshot) {
    known = snapshot;
    memory = new Memory(structuredClone(snapshot.past));
    notedIn = 0;
    connection = 'open';
    recall(memory);
    draw();
  },
  onTick(tick) {
    if (known) learn(known, tick);
    draw();
  },
  onLost() {
    connection = 'lost';
    draw();
  },
};

function learn(snapshot: Snapshot, { now, change, messages, happenings, cost }: Tick): void {
  connection = 'open';
  snapshot.now = now;
  snapshot.picture = withLags(merge(snapshot.picture, change));
  snapshot.cost = cost;
  memory?.add(now, snapshot.picture);
  for (const [partition, news] of Object.entries(messages)) {
    const kept = snapshot.messages[partition] ?? [];
    const last = kept.at(-1)?.offset ?? -1;
    snapshot.messages[partition] = [...kept, ...news.filter(({ offset }) => offset > last)].slice(-MESSAGES);
  }
  snapshot.happenings = [...snapshot.happenings, ...happenings].slice(-500);
  if (second(now) === notedIn) return;
  notedIn = second(now);
  note(past, now, snapshot.picture);
  noteEnds(now, snapshot.picture);
}

/** The lines and the bars, from all that is remembered. */
function recall({ past: { since, base, changes } }: Memory): void {
  past = histories(memory as Memory);
  ends = {};
  let picture = base;
  noteEnds(since, picture);
  for (const { at, change } of changes) {
    picture = merge(picture, change);
    noteEnds(at, picture);
  }
}

function noteEnds(at: number, { partitions }: Picture): void {
  for (const [id, { end }] of Object.entries(partitions)) {
    ends[id] ??= [];
    const known = ends[id];
    if (end >= 0 && end !== known.at(-1)?.end) known.push({ at, end });
    while (known[1] && known[1].at < at - PAST_MS) known.shift();
  }
}

// --- What the user wants

function keepAddress(): void {
  // That of a recording names it.
  if (source.player) return;
  const wanted = new URLSearchParams();
  if (topic !== undefined) wanted.set('topic', topic);
  // A name may hold any character. Of none at all, one without a name is left.
  for (const name of chosen?.length === 0 ? [''] : (chosen ?? [])) wanted.append('group', name);
  history.replaceState(null, '', wanted.size > 0 ? `?${wanted}` : '/');
}

function chooseTopic(name: string): void {
  topic = name;
  then = undefined;
  known = undefined;
  keepAddress();
  source.listen(listener, topic);
  draw();
}

function toggleGroup(name: string, all: string[]): void {
  const shown = new Set(chosen ?? all);
  if (!shown.delete(name)) shown.add(name);
  chosen = all.every((one) => shown.has(one)) ? undefined : [...shown];
  keepAddress();
  draw();
}

function lookBack(at: number | undefined): void {
  then = at === undefined || !memory ? undefined : { at, picture: memory.pictureAt(at) };
  draw();
}

// --- What is drawn

let isDrawing = false;
let drawnAt = 0;

/** At the next frame; so much at once that it would fill the frames, only now and then. */
function draw(): void {
  if (isDrawing || performance.now() - drawnAt < pause()) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    drawnAt = performance.now();
    render(<Page />, root);
    if (width === 0) measure();
  });
}

/** Where there are many flags, between two drawings, in ms. */
function pause(): number {
  const { groups = {}, partitions = {} } = known?.picture ?? {};
  return Object.keys(groups).length * Object.keys(partitions).length > MANY ? 400 : 0;
}

/** The lanes are as wide as there is room: known once they are drawn, and when the window changes. */
function measure(): void {
  const room = document.querySelector('.track')?.clientWidth ?? 0;
  if (room === width || room === 0) return;
  width = room;
  rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  draw();
}

new ResizeObserver(measure).observe(document.documentElement);
// Ages grow, and a silence gets longer, also while nothing is told.
setInterval(draw, 500);
for (const gesture of ['input', 'change', 'click', 'toggle'])
  addEventListener(
    gesture,
    () => {
      drawnAt = 0;
    },
    { capture: true },
  );

function Page() {
  if (!known)
    return (
      <main class="waiting">
        <h1>Kafka, live</h1>
        <p role="status">
          {connection === 'lost' ? 'The live view does not answer; trying again.' : 'Connecting …'}
        </p>
      </main>
    );
  const nowThere = source.now();
  const now = then?.at ?? nowThere;
  const picture = then?.picture ?? known.picture;
  const groups = Object.entries(picture.groups).sort(
    ([, one], [, other]) =>
      order(one) - order(other) || one.name.localeCompare(other.name, 'en', { numeric: true }),
  );
  const shown = groups.filter(([, { name }]) => !chosen || chosen.includes(name));
  const partitions = Object.entries(picture.partitions).filter(([, { end }]) => end >= 0);
  return (
    <div class={shown.length > 6 ? 'many' : ''}>
      <Head picture={picture} nowThere={nowThere} />
      <main>
        <div class="lanes">
          <p class="hint">
            A numbered cell is a message, at its <Term word="offset" />:{' '}
            <span class="sample unread">yellow</span> until a group has it done,{' '}
            <span class="sample read">green</span> once all have. Each <Term word="group" /> begins at its{' '}
            <i class="began-sample" />, and its flag moves with each <Term word="commit" />: by one, or by a
            batch. The stripe to its right is what is yet to read: the <Term word="lag" />.
          </p>
          <Choice groups={groups} />
          {picture.missing !== undefined && (
            <p class="notice" role="status">
              There is no topic {picture.topic} yet. It is shown as soon as there is.
            </p>
          )}
          {partitions.map(([id, partition]) => (
            <Lane
              key={id}
              id={Number(id)}
              partition={partition}
              groups={shown}
              messages={messagesOf(id, partition.end)}
              now={now}
              ends={ends[id] ?? []}
              isLive={then === undefined}
              width={width || 600}
              rem={rem}
              glides={pause() === 0}
            />
          ))}
          <Happenings happenings={known.happenings} picture={known.picture} now={now} />
          <details
            class="as-table"
            onToggle={(event) => {
              isTableOpen = (event.currentTarget as HTMLDetailsElement).open;
              draw();
            }}
          >
            <summary>All figures as a table</summary>
            {isTableOpen && <Table picture={picture} groups={shown} now={now} />}
          </details>
        </div>
        <div class="side">
          <Groups groups={shown} happenings={known.happenings} histories={past} now={now} until={nowThere} />
          <Brokers picture={picture} now={now} />
        </div>
      </main>
    </div>
  );
}

/** Those of the demo first, in the order of the README. */
function order({ name }: Group): number {
  const index = ['consumer_from_oldest', 'consumer_from_newest', 'consumer_batch_message'].findIndex((one) =>
    name.startsWith(one),
  );
  return index < 0 ? 3 : index;
}

function messagesOf(id: string, end: number): Message[] {
  const all = known?.messages[id] ?? [];
  const last = all.at(-1);
  return last && last.offset >= end ? all.filter(({ offset }) => offset < end) : all;
}

function Head({ picture, nowThere }: { picture: Picture; nowThere: number }) {
  const { cost, topics, now, groupsLeftOut } = known as Snapshot;
  const old = nowThere - now;
  const { player } = source;
  return (
    <header class="head">
      <h1>Kafka, live</h1>
      <label>
        <span class="visually-hidden">topic</span>
        <select
          value={picture.topic}
          onChange={(event) => chooseTopic((event.currentTarget as HTMLSelectElement).value)}
        >
          {[...new Set([picture.topic, ...topics])].map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <Freshness old={old} picture={picture} nowThere={nowThere} />
      <span class="cost quiet">
        asks Kafka {Math.round(cost.requests)} times a second
        {groupsLeftOut > 0 && `; ${groupsLeftOut} groups are left out`}
      </span>
      {player ? (
        <Time
          from={player.from}
          to={player.to}
          at={nowThere}
          isStopped={!player.isPlaying}
          goOn="play"
          onStop={() => player.pause()}
          onGoOn={() => player.play()}
          onSeek={(at) => player.seek(at)}
        />
      ) : (
        <Time
          from={Math.max((memory as Memory).past.since, nowThere - PAST_MS)}
          to={nowThere}
          at={then?.at ?? nowThere}
          isStopped={then !== undefined}
          goOn="back to now"
          onStop={() => lookBack(nowThere)}
          onGoOn={() => lookBack(undefined)}
          onSeek={(at) => lookBack(at < nowThere ? at : undefined)}
        />
      )}
    </header>
  );
}

const second = (at: number) => Math.floor(at / 1000);

function Freshness({ old, picture, nowThere }: { old: number; picture: Picture; nowThere: number }) {
  if (connection !== 'open')
    return (
      <strong class="fresh bad" role="status">
        The live view does not answer; what you see is {age(old)} old
      </strong>
    );
  const { silent } = (known as Snapshot).picture;
  if (silent)
    return (
      <strong class="fresh bad" role="status" title={silent.reason}>
        Kafka does not answer since {clock(silent.since)}; what you see is {age(nowThere - silent.since)} old
      </strong>
    );
  if (old > OLD_MS)
    return (
      <strong class="fresh bad" role="status">
        what you see is {age(old)} old
      </strong>
    );
  return (
    <span class="fresh good" role="status">
      {source.player
        ? 'a recording'
        : then
          ? 'looking back'
          : picture.missing === undefined
            ? 'live'
            : 'waiting for the topic'}
    </span>
  );
}

/** The groups: which of them are shown. */
function Choice({ groups }: { groups: [string, Group][] }) {
  const names = groups.map(([, { name }]) => name);
  if (names.length < 2) return null;
  return (
    <fieldset class="choice">
      <legend class="visually-hidden">groups that are shown</legend>
      {groups.map(([id, { name }]) => (
        <button
          key={id}
          type="button"
          class={`group-name ${colourOf(name)}`}
          aria-pressed={!chosen || chosen.includes(name)}
          onClick={() => toggleGroup(name, names)}
        >
          {name}
        </button>
      ))}
    </fieldset>
  );
}

/** Fills the element, and keeps it as the source tells. To be called once. */
export function show(from: Source, element: HTMLElement = document.body): void {
  source = from;
  root = element;
  source.listen(listener, topic);
  draw();
}

/** What the page knows and what it shows of that: told by its source, chosen by who looks at it. */
import { merge, PAST_MS, withLags } from '../change';
import type { Group, Happening, Message, Picture, Snapshot, Tick } from '../picture';
import { Past } from './past';
import { type Scale, scaleOf } from './scale';
import type { Listener, Source } from './source';

/** Messages of a partition, and happenings, that are kept for looking back. */
const MESSAGES = 2400;
const HAPPENINGS = 500;
/** What is older than this, in ms, is said to be old. */
const OLD_MS = 2000;
/** The last seconds, in ms, that a rate is taken of; where nothing came in them, of more. */
const RATE_MS = 5000;
const LOW_RATE_MS = 20_000;

/** All that one drawing shows: of one state, and of one moment. */
export interface Frame {
  picture: Picture;
  /** Those that are shown, and all, in the order in which they are shown. */
  shown: [string, Group][];
  all: [string, Group][];
  /** The moment that is shown, and the present one, in ms since 1970. */
  now: number;
  present: number;
  past: Past;
  /** The largest lag of the past. */
  highest: number;
  lanes: Record<string, LaneFrame>;
  happenings: Happening[];
  /** How old is what is known, in ms, where that is too old to be taken for the present. */
  old: number | undefined;
}

export interface LaneFrame {
  scale: Scale;
  /** Messages a second. */
  rate: number;
  messages: Message[];
}

/** What explains itself: a cell, or a word; and the element that does. */
export type Tip = { element: Element } & ({ partition: string; offset: number } | { word: string });

export class Store implements Listener {
  known: Snapshot | undefined;
  connection: 'connecting' | 'open' | 'lost' = 'connecting';
  /** The moment that is looked at, if it is not now, in ms since 1970. */
  lookedAt: number | undefined;
  /** The names of the groups that are shown; undefined for all. */
  chosen: string[] | undefined;
  tip: Tip | undefined;
  isTableOpen = false;
  private topic: string | undefined;
  private past = new Past({
    since: 0,
    base: { topic: '', brokers: {}, partitions: {}, groups: {} },
    changes: [],
  });
  private scales: Record<string, Scale> = {};
  /** The room of a lane, in pixels. */
  private width = 600;

  /** @param onChange told when there is something else to be drawn, and whether somebody has asked for it */
  constructor(
    readonly source: Source,
    private readonly onChange: (isWanted: boolean) => void,
  ) {
    const parameters = new URLSearchParams(location.search);
    this.topic = parameters.get('topic') ?? undefined;
    this.chosen = parameters.has('group') ? parameters.getAll('group').filter(Boolean) : undefined;
    source.listen(this, this.topic);
  }

  // --- What the source tells

  onState(snapshot: Snapshot): void {
    this.known = snapshot;
    this.past = new Past(snapshot.past);
    this.past.add(snapshot.now, snapshot.picture);
    this.connection = 'open';
    this.scales = {};
    this.rescale();
    this.onChange(false);
  }

  onTick({ now, heard, change, messages, happenings }: Tick): void {
    const { known } = this;
    if (!known) return;
    this.connection = 'open';
    known.now = now;
    known.heard = heard;
    known.picture = withLags(merge(known.picture, change));
    this.past.add(now, known.picture);
    for (const [partition, news] of Object.entries(messages)) {
      const kept = known.messages[partition] ?? [];
      const last = kept.at(-1)?.offset ?? -1;
      known.messages[partition] = [...kept, ...news.filter(({ offset }) => offset > last)].slice(-MESSAGES);
    }
    const anew = new Map(happenings.map((one) => [one.id, one]));
    known.happenings = [...known.happenings.filter(({ id }) => !anew.has(id)), ...happenings].slice(
      -HAPPENINGS,
    );
    known.happenings.sort((one, other) => one.at - other.at || one.id - other.id);
    this.rescale();
    this.onChange(false);
  }

  onLost(): void {
    this.connection = 'lost';
    this.onChange(false);
  }

  // --- What the user wants

  chooseTopic(name: string): void {
    this.topic = name;
    this.lookedAt = undefined;
    this.known = undefined;
    this.keepAddress();
    this.source.listen(this, name);
    this.onChange(true);
  }

  toggleGroup(name: string, all: string[]): void {
    const shown = new Set(this.chosen ?? all);
    if (!shown.delete(name)) shown.add(name);
    this.chosen = all.every((one) => shown.has(one)) ? undefined : [...shown];
    this.keepAddress();
    this.onChange(true);
  }

  /** Undefined: the present again. */
  lookAt(moment: number | undefined): void {
    const { player } = this.source;
    if (player) player.seek(moment ?? player.to);
    else this.lookedAt = moment === undefined ? undefined : Math.min(moment, this.source.now());
    this.onChange(true);
  }

  pauseOrGoOn(): void {
    const { player } = this.source;
    if (player?.isPlaying) player.pause();
    else if (player) player.play();
    else if (this.lookedAt !== undefined) this.lookedAt = undefined;
    else {
      this.past.keepLast();
      this.lookedAt = this.source.now();
    }
    this.onChange(true);
  }

  isStopped(): boolean {
    const { player } = this.source;
    return player ? !player.isPlaying : this.lookedAt !== undefined;
  }

  /** While a cell explains itself, its lane's window stays as it is. */
  explain(tip: Tip | undefined): void {
    if (tip?.element === this.tip?.element) return;
    this.tip = tip;
    this.rescale();
    this.onChange(true);
  }

  openTable(isOpen: boolean): void {
    this.isTableOpen = isOpen;
    this.onChange(true);
  }

  /** @param width of a lane, in pixels */
  resize(width: number): void {
    if (width === this.width || width === 0) return;
    this.width = width;
    this.rescale();
    this.onChange(true);
  }

  // --- What is shown

  /** The beginning of what can be looked at, in ms since 1970. */
  since(): number {
    return Math.max(this.past.moments[0]?.at ?? 0, this.source.now() - PAST_MS);
  }

  frame(): Frame | undefined {
    const { known, past, lookedAt } = this;
    if (!known) return undefined;
    const present = this.source.now();
    const silence = known.picture.silence;
    const isOld =
      present - known.heard > OLD_MS ||
      this.connection === 'lost' ||
      (silence && silence.until === undefined);
    const now = lookedAt ?? (isOld ? known.heard : present);
    const picture = lookedAt === undefined ? known.picture : (past.pictureAt(lookedAt) ?? known.picture);
    const all = Object.entries(picture.groups).sort(([, one], [, other]) => inOrder(one, other));
    const shown = all.filter(([, { name }]) => !this.chosen || this.chosen.includes(name));
    const lanes: Frame['lanes'] = {};
    for (const [id, { end }] of Object.entries(picture.partitions)) {
      if (end < 0) continue;
      const scale = lookedAt === undefined ? this.scales[id] : undefined;
      lanes[id] = {
        scale: scale ?? this.scale(id, picture, now),
        rate: past.rate(id, end, now, RATE_MS) || past.rate(id, end, now, LOW_RATE_MS),
        messages: known.messages[id] ?? [],
      };
    }
    return {
      picture,
      shown,
      all,
      now,
      present,
      past,
      highest: past.highest(present),
      lanes,
      happenings: known.happenings.filter(({ at }) => at <= now),
      old: isOld && lookedAt === undefined ? present - known.heard : undefined,
    };
  }

  private rescale(): void {
    const { known, tip } = this;
    if (!known) return;
    const scales: Store['scales'] = {};
    for (const id of Object.keys(known.picture.partitions)) {
      const before = this.scales[id];
      const isHeld = tip && 'partition' in tip && tip.partition === id && before;
      scales[id] = isHeld ? before : this.scale(id, known.picture, this.source.now(), before);
    }
    this.scales = scales;
  }

  private scale(id: string, picture: Picture, at: number, before?: Scale): Scale {
    const { end = 0 } = picture.partitions[id] ?? {};
    const rate = this.past.rate(id, end, at, 2 * RATE_MS);
    const lags = Object.values(picture.groups).map(({ members, offsets }) =>
      Object.keys(members).length > 0 ? (offsets[id]?.lag ?? 0) : 0,
    );
    return scaleOf(end, rate, Math.max(0, ...lags), this.cells(end), before);
  }

  /** So many cells fit in a lane whose numbers go up to there. */
  private cells(end: number): number {
    const digits = Math.max(2, String(end + 50).length);
    return Math.max(6, Math.floor(this.width / (digits * 7.3 + 9)));
  }

  private keepAddress(): void {
    // That of a recording names it.
    if (this.source.player) return;
    const wanted = new URLSearchParams();
    if (this.topic !== undefined) wanted.set('topic', this.topic);
    // A name may hold any character. Of none at all, one without a name is left.
    for (const name of this.chosen?.length === 0 ? [''] : (this.chosen ?? [])) wanted.append('group', name);
    history.replaceState(null, '', wanted.size > 0 ? `?${wanted}` : '/');
  }
}

export const DEMO = ['consumer_from_oldest', 'consumer_from_newest', 'consumer_batch_message'];

/** Those of the demo first, in the order of the README; those that nobody is in, last. */
function inOrder(one: Group, other: Group): number {
  const rank = ({ name, members }: Group) => {
    const index = DEMO.findIndex((demo) => name.startsWith(demo));
    return (index < 0 ? DEMO.length : index) + (Object.keys(members).length === 0 && index < 0 ? 1 : 0);
  };
  return rank(one) - rank(other) || one.name.localeCompare(other.name, 'en', { numeric: true });
}

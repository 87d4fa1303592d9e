/** What has happened between two pictures, in a sentence for each group, the brokers, the topic, and Kafka. Pure. */
import { age } from '../lib/message/age';
import type { Group, Happening, Member, Owner, Parting, Picture } from './picture';
import { began, listed } from './sentences';

export type Subject = 'kafka' | 'brokers' | 'topic' | `group ${string}`;

export interface Told {
  text: string;
  kind: Happening['kind'];
  /** When it began, where Kafka tells; in ms since 1970. */
  at?: number;
  /** Whether it is as good as over. */
  isOver: boolean;
}

/** Of whom something may have to be told. */
export function subjectsOf(before: Picture, after: Picture): Set<Subject> {
  const groups = Object.keys({ ...before.groups, ...after.groups });
  return new Set<Subject>(['kafka', 'topic', 'brokers', ...groups.map((id) => `group ${id}` as const)]);
}

/** Whether what happens now is something else than what was over a moment ago. */
export function beginsAnew(before: Picture, after: Picture, subject: Subject): boolean {
  if (subject === 'kafka') return before.silence?.since !== after.silence?.since;
  const [was, is] = [before, after].map(({ groups }) => groups[subject.slice('group '.length)]);
  if (was === undefined || is === undefined) return false;
  return is.rebalances > was.rebalances || (is.gone !== undefined && was.gone === undefined);
}

/** Undefined where nothing has. */
export function told(before: Picture, after: Picture, subject: Subject): Told | undefined {
  if (subject === 'kafka') return ofSilence(before, after);
  if (subject === 'topic') return ofTopic(before, after);
  if (subject === 'brokers') return ofBrokers(before, after);
  const id = subject.slice('group '.length);
  const group = after.groups[id];
  return group && ofGroup(before.groups[id], group);
}

function ofSilence({ silence: before }: Picture, { silence: after }: Picture): Told | undefined {
  if (!after || (before?.since === after.since && before.until === after.until)) return undefined;
  const { since, until, refusal } = after;
  const text =
    until === undefined
      ? `Kafka does not answer${refusal ? `: ${refusal}` : ''}`
      : `Kafka did not answer for ${age(until - since)}`;
  return { text, kind: 'kafka', at: since, isOver: until !== undefined };
}

function ofTopic(before: Picture, after: Picture): Told | undefined {
  const { topic } = after;
  const [had, has] = [before, after].map(({ partitions }) => Object.keys(partitions).length) as [
    number,
    number,
  ];
  const partitions = has === 1 ? '1 partition' : `${has} partitions`;
  const say = (text: string): Told => ({ text, kind: 'topic', isOver: true });
  if (has === 0) return had === 0 ? undefined : say(`${topic} was deleted`);
  if (had === 0)
    return before.missing === undefined ? undefined : say(`${topic} is there, with ${partitions}`);
  if (has > had) return say(`${topic} has ${partitions} now; before, it had ${had}`);
  const deleted = Object.entries(after.partitions).flatMap(([id, { start }]) => {
    const from = before.partitions[id]?.start ?? -1;
    return from >= 0 && start > from ? [`${from}–${start - 1} of partition ${id}`] : [];
  });
  return deleted.length === 0 ? undefined : say(`Deleted: ${deleted.join(', ')}`);
}

/** Brokers that go and come, and what that does to the partitions, in one sentence. */
function ofBrokers(before: Picture, after: Picture): Told | undefined {
  const parts: string[] = [];
  for (const [id, { gone, silent, wasAway = 0 }] of Object.entries(after.brokers)) {
    const known = before.brokers[id];
    const wasThere = known && known.gone === undefined && known.silent === undefined;
    const isThere = gone === undefined && silent === undefined;
    if (!known && Object.keys(before.brokers).length > 0) parts.push(`broker ${id} has come`);
    if (wasThere && !isThere) parts.push(gone ? `broker ${id} is gone` : `broker ${id} does not answer`);
    if (known && !wasThere && isThere) parts.push(`broker ${id} is back after ${age(wasAway)}`);
    if (known && wasThere && isThere && known.wasAway !== wasAway && wasAway > 0)
      parts.push(`broker ${id} was away for ${age(wasAway)}`);
  }
  const led = new Map<string, number[]>();
  const copies = new Map<string, number[]>();
  for (const [partition, { leader, isr }] of Object.entries(after.partitions)) {
    const known = before.partitions[partition];
    if (!known) continue;
    const note = (map: Map<string, number[]>, what: string) =>
      map.set(what, [...(map.get(what) ?? []), Number(partition)]);
    if (leader !== known.leader)
      note(
        led,
        leader < 0
          ? 'have no leader: nothing can be written or read there'
          : `are led by broker ${leader}${known.leader < 0 ? '' : `, no more by ${known.leader}`}`,
      );
    for (const broker of known.isr)
      if (!isr.includes(broker)) note(copies, `broker ${broker} is not in sync`);
    for (const broker of isr)
      if (!known.isr.includes(broker)) note(copies, `broker ${broker} is in sync again`);
  }
  for (const [what, partitions] of led)
    parts.push(`${listed(partitions)} ${partitions.length === 1 ? singular(what) : what}`);
  for (const [what, partitions] of copies) parts.push(`${what} in ${listed(partitions)}`);
  if (parts.length === 0) return undefined;
  const text = parts.join('; ');
  return { text: text.charAt(0).toUpperCase() + text.slice(1), kind: 'broker', isOver: true };
}

const singular = (text: string) => text.replace(/^have /, 'has ').replace(/^are /, 'is ');

/** Who came and went, who reads what now and from where on, and where it all began. */
function ofGroup(before: Group | undefined, after: Group): Told | undefined {
  const parts: string[] = [];
  const again = cameBack(before, after);
  if (after.gone) {
    if (before?.gone) return undefined;
    parts.push('is gone: Kafka does not know this group any more');
  } else {
    if (!before) parts.push(Object.keys(after.members).length > 0 ? 'starts' : 'is a new group');
    else if (before.gone) parts.push('is back');
    if (before && before.coordinator !== after.coordinator)
      parts.push(`broker ${after.coordinator} coordinates it, no more ${before.coordinator}`);
    parts.push(...comings(before, after), ...dealings(before, after), ...beginnings(before, after), ...again);
  }
  if (parts.length === 0) return undefined;
  const isWord = /^(starts|is )/.test(parts[0] as string);
  return {
    text: `${after.name}${isWord ? ' ' : ': '}${parts.join('; ')}`,
    kind: again.length > 0 || parts.some((text) => text.endsWith('comes again')) ? 'again' : 'group',
    ...(after.shared !== undefined && after.shared !== before?.shared && { at: after.shared }),
    isOver: after.rebalancing === undefined,
  };
}

function comings(before: Group | undefined, after: Group): string[] {
  const letters = (members: Member[]) => members.map(({ letter }) => letter).join(', ');
  const was = before?.members ?? {};
  const came = Object.entries(after.members).flatMap(([id, member]) => (was[id] ? [] : [member]));
  const went = Object.entries(was).flatMap(([id, member]) => (after.members[id] ? [] : [member]));
  const parts: string[] = [];
  for (const how of ['given up', 'left', 'gone'] as const) {
    const those = went.filter(({ letter }) => (after.parted[letter] ?? 'gone') === how);
    if (those.length > 0) parts.push(`${letters(those)} ${wayOf(how, those.length === 1)}`);
  }
  if (came.length > 0 && before) parts.push(`${letters(came)} joined`);
  if (went.length > 0 && Object.keys(after.members).length === 0)
    parts.push(`no member: Kafka keeps its place${placeOf(after)}`);
  else if (before && after.rebalancing !== undefined) parts.push('the members share the partitions anew');
  return parts;
}

function wayOf(how: Parting, isOne: boolean): string {
  if (how === 'left') return 'left';
  const be = isOne ? 'is' : 'are';
  return how === 'gone'
    ? `${be} gone`
    : `${be} given up by Kafka, which heard nothing of ${isOne ? 'it' : 'them'}`;
}

function placeOf({ offsets }: Group): string {
  const [one, ...others] = Object.values(offsets);
  return one && others.length === 0 ? `, ${one.committed}` : '';
}

/** Who reads what now that did not before. */
function dealings(before: Group | undefined, after: Group): string[] {
  const dealt = new Map<string, { owner: Owner; partitions: number[]; at: Set<number> }>();
  for (const [partition, owner] of Object.entries(after.owners)) {
    if (before?.owners[partition]?.member === owner.member || !after.members[owner.member]) continue;
    const key = `${owner.letter} ${owner.from}`;
    const entry = dealt.get(key) ?? { owner, partitions: [], at: new Set<number>() };
    dealt.set(key, entry);
    entry.partitions.push(Number(partition));
    if (owner.at !== undefined) entry.at.add(owner.at);
  }
  const moved = [...dealt.values()].filter(({ owner }) => owner.from && after.parted[owner.from] !== 'left');
  if (moved.length > 2) {
    const all = moved.flatMap(({ partitions }) => partitions);
    return [
      `${listed(all)} move; each goes on at what is committed: what was handled after that comes again`,
    ];
  }
  return [...dealt.values()].map(({ owner: { letter, from }, partitions, at }) => {
    const [first, ...others] = at;
    const where = others.length === 0 ? `${first}` : 'what is committed';
    if (from === undefined || first === undefined) return `member ${letter} reads ${listed(partitions)}`;
    // Who leaves commits first: nothing of it comes again.
    if (after.parted[from] === 'left') return `${letter} goes on with ${listed(partitions)} at ${where}`;
    const goesOn = `${letter} goes on at ${where}: what ${from} handled after that comes again`;
    return `${listed(partitions)} ${partitions.length === 1 ? 'moves' : 'move'} from ${from} to ${letter}; ${goesOn}`;
  });
}

function beginnings(before: Group | undefined, after: Group): string[] {
  const begun = new Map<string, number[]>();
  for (const [partition, { first }] of Object.entries(after.offsets)) {
    if (!first || before?.offsets[partition]?.first) continue;
    const text = began(first, after.commitsItsBeginning === true);
    begun.set(text, [...(begun.get(text) ?? []), Number(partition)]);
  }
  const isOne = Object.keys(after.offsets).length === 1;
  return [...begun].map(([text, partitions]) => (isOne ? text : `${text} in ${listed(partitions)}`));
}

function cameBack(before: Group | undefined, after: Group): string[] {
  return Object.entries(after.offsets).flatMap(([partition, { again }]) => {
    const known = before?.offsets[partition];
    if (again === undefined || known === undefined || known.again !== undefined) return [];
    const { from, to } = again;
    const count = to - from;
    const what = count === 1 ? 'that message comes' : `those ${count} messages come`;
    return [`the committed offset of partition ${partition} goes back from ${to} to ${from}: ${what} again`];
  });
}

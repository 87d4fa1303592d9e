/** What an answer about a group changes in it: its members, who reads what, who had read it before. Pure. */
import { escapeControls } from '../lib/message/message';
import type { Group, Parting } from './picture';
import type { GroupAnswer } from './reader';
import type { Trail } from './trail';

/** What a consumer of the demo puts behind its name, where it has no GROUP_ID; of a whole UUID, the beginning will do. */
const RANDOM_END = /^(.+)-([0-9a-f]{8})(?:-[0-9a-f]{4}){0,3}(?:-[0-9a-f]{12})?$/;
/** The consumers of this demo. */
const DEMO = /^consumer_(from_oldest|from_newest|batch_message)(-[0-9a-f]{8})?$/;
/** One that commits at least so often, in ms, was there to the end. */
const QUIET_MS = 5000;
/** Kafka waits for a sign of a member of this demo for 10 s, and it commits each second: so long before, in ms, at least. */
const SILENT_MS = 9000;
/** Of so many members that have gone it is known how. */
const PARTINGS = 12;

export function newGroup(id: string, names: readonly string[], state: string, coordinator: number): Group {
  return {
    name: nameOf(id, names),
    state,
    coordinator,
    members: {},
    letters: 0,
    owners: {},
    parted: {},
    offsets: {},
    lag: 0,
    rebalances: 0,
    ...(DEMO.test(id) && { commitsItsBeginning: true }),
  };
}

/** The group's id without the end that makes it the only one of its name, where it is the only one anyway. */
function nameOf(id: string, names: readonly string[]): string {
  const [, base = id, random] = RANDOM_END.exec(id) ?? [];
  return escapeControls(random && names.includes(base) ? `${base}-${random}` : base);
}

export function withAnswer(
  before: Group,
  answer: GroupAnswer,
  topic: string,
  trail: Trail,
  now: number,
): Group {
  const { gone, rebalancing, ...known } = before;
  const { state, coordinator } = answer;
  const group: Group = { ...known, state, coordinator, members: {}, owners: { ...before.owners } };
  for (const { id, client, host, assignment } of answer.members) {
    const partitions = [...(assignment[topic] ?? [])].sort((one, other) => one - other);
    const member = before.members[id];
    group.members[id] = member
      ? { ...member, partitions }
      : {
          letter: letter(group.letters++),
          client: escapeControls(client),
          host: escapeControls(host),
          partitions,
        };
  }
  if (answer.members.some(({ client }) => DEMO.test(client))) group.commitsItsBeginning = true;
  const left = Object.entries(before.members).filter(([id]) => !group.members[id]);
  const shared = trail.shared();
  if (shared !== undefined) group.shared = shared;
  if (left.length > 0) {
    const partings = left.map(([id, { letter }]) => [letter, parting(before, id, trail, now)] as const);
    group.parted = Object.fromEntries([...Object.entries(before.parted), ...partings].slice(-PARTINGS));
  }
  // In a rebalance nobody has any; but of Kafka 4's groups, members keep what does not move.
  for (const [member, { letter, partitions }] of Object.entries(group.members))
    for (const partition of partitions) {
      const owner = before.owners[partition];
      if (owner?.member === member) continue;
      const at = trail.committedWhenShared(String(partition))?.to ?? before.offsets[partition]?.committed;
      group.owners[partition] = {
        member,
        letter,
        since: now,
        ...(owner && { from: owner.letter }),
        ...(owner && at !== undefined && { at }),
      };
    }
  const hasChanged = left.length > 0 || Object.keys(group.members).some((id) => !before.members[id]);
  if (rebalances(state)) {
    group.rebalancing = rebalancing ?? now;
    if (rebalancing === undefined) group.rebalances++;
    return group;
  }
  // It was over between two questions.
  if (rebalancing === undefined && hasChanged && Object.keys(before.owners).length > 0) group.rebalances++;
  return group;
}

export function rebalances(state: string): boolean {
  return ['PreparingRebalance', 'CompletingRebalance', 'Assigning', 'Reconciling'].includes(state);
}

/** One that is stopped commits what it has handled, and leaves; of one that is killed Kafka waits in vain for a sign. */
function parting({ owners, offsets, shared = 0 }: Group, id: string, trail: Trail, now: number): Parting {
  const sharedNow = trail.shared() ?? 0;
  // Where it is not yet written how they were shared out without it, nobody else has committed since.
  const isShared = sharedNow > shared;
  const end = isShared ? sharedNow : now;
  // What it had: in a rebalance Kafka tells of no member's partitions.
  const had = Object.keys(owners).filter((partition) => owners[partition]?.member === id);
  const signs = had.map((partition) => {
    const { oldest, at = 0, lag = 0 } = offsets[partition] ?? {};
    const last = (isShared && trail.committedWhenShared(partition)?.at) || at;
    if (end - last <= QUIET_MS) return 'left';
    const hadWork = lag > 0 && oldest !== undefined && end - oldest > QUIET_MS;
    return hadWork && end - last > SILENT_MS ? 'given up' : 'gone';
  });
  return signs.find((sign) => sign !== 'gone') ?? 'gone';
}

/** a to z, then aa, ab and so on. */
function letter(index: number): string {
  let letters = '';
  for (let rest = index; rest >= 0; rest = Math.floor(rest / 26) - 1)
    letters = String.fromCharCode(97 + (rest % 26)) + letters;
  return letters;
}

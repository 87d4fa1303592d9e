/** The groups: which of them are shown, how they are, and which member reads which partitions. */
import type { Group, Member } from '../picture';
import { lookOf } from './look';
import { type Step, stepsOf } from './past';
import { quietFor } from './row';
import type { Frame, Store } from './store';
import { Term } from './tip';
import { count } from './words';

/** So many commits tell how a group commits. */
const HABIT = 12;
/** How long a partition that has moved is shown as such, in ms. */
const MOVE_SHOWN_MS = 12_000;
/** By Kafka's word of the state. */
const REBALANCES: Record<string, string> = {
  PreparingRebalance: 'waiting for its members',
  CompletingRebalance: 'its members share the partitions',
  Assigning: 'Kafka shares out the partitions',
  Reconciling: 'partitions move from member to member, and the others are read meanwhile',
};

export function Groups({ frame, store }: { frame: Frame; store: Store }) {
  const { all, shown, now, old } = frame;
  const names = all.map(([, { name }]) => name);
  const ids = new Set(shown.map(([id]) => id));
  return (
    <section class="groups" aria-labelledby="groups">
      <h2 id="groups">
        <Term word="group">Groups</Term> and their <Term word="member">members</Term>
      </h2>
      {all.length === 0 && <p class="quiet">No group reads this topic.</p>}
      {all.map(([id, group]) => {
        const { colour, shape } = lookOf(group.name);
        const isShown = ids.has(id);
        return (
          <article
            key={id}
            class={`group ${colour} ${group.gone ? 'is-gone' : ''} ${isShown ? '' : 'is-hidden'}`}
          >
            <h3>
              <button
                type="button"
                class="group-name"
                aria-pressed={isShown}
                title={isShown ? 'hide it in the lanes' : 'show it in the lanes'}
                onClick={() => store.toggleGroup(group.name, names)}
              >
                <i class="shape">{isShown ? shape : '○'}</i> {group.name}
              </button>
            </h3>
            {isShown && <State group={group} now={now} isOld={old !== undefined} />}
            {isShown && <Members group={group} now={now} />}
            {isShown && <Habit id={id} group={group} frame={frame} />}
          </article>
        );
      })}
    </section>
  );
}

function State({ group, now, isOld }: { group: Group; now: number; isOld: boolean }) {
  const { state, gone, rebalancing, members, offsets } = group;
  const number = Object.keys(members).length;
  const quiet = Object.keys(offsets).flatMap((id) => quietFor(group, id, now) ?? []);
  if (isOld) return <p class="state quiet">not known now</p>;
  if (gone) return <p class="state quiet">gone: Kafka does not know it any more</p>;
  if (state === 'Hidden')
    return <p class="state warn">its members can't be shown: Kafka does not let the live view see them</p>;
  if (rebalancing !== undefined)
    return (
      <p class="state warn">
        ⇄ <Term word="rebalance" />: {REBALANCES[state]}
      </p>
    );
  if (number === 0) {
    const [one, ...others] = Object.values(offsets);
    return (
      <p class="state quiet">
        no member: Kafka keeps its place{one && others.length === 0 && `, ${count(one.committed)}`}
      </p>
    );
  }
  if (quiet.length > 0)
    return (
      <p class="state warn">
        no commit for {Math.floor(Math.max(...quiet) / 1000)} s: Kafka gives up a member that it does not hear
        of
      </p>
    );
  return <p class="state good">working: {number === 1 ? '1 member' : `${number} members`}</p>;
}

/** How it commits, by its latest commits. */
function Habit({ id, group, frame: { past, picture, now } }: { id: string; group: Group; frame: Frame }) {
  const steps = Object.keys(group.offsets).map((partition) => {
    const some: Step[] = [];
    for (const step of stepsOf(past, picture, now, id, partition)) if (some.push(step) === HABIT) break;
    return some;
  });
  const most = Math.max(0, ...steps.flat().map(({ from, to }) => to - from));
  const [longest = []] = steps.sort((one, other) => other.length - one.length);
  if (most === 0 || longest.length < 4) return null;
  const [latest, oldest] = [longest[0], longest.at(-1)] as [Step, Step];
  const seconds = Math.round((latest.at - oldest.at) / (longest.length - 1) / 1000);
  return (
    <p class="quiet">
      commits {most === 1 ? '1' : `up to ${count(most)}`} at once
      {seconds > 0 && `, every\u00a0${seconds}\u00a0s`}
    </p>
  );
}

function Members({ group, now }: { group: Group; now: number }) {
  return (
    <ul class="members">
      {Object.entries(group.members).map(([id, member]) => (
        <li key={id} title={`${member.client} at ${member.host}`}>
          <b class="letter">{member.letter}</b>
          <span class="reads">
            <Reads member={member} group={group} now={now} />
          </span>
        </li>
      ))}
    </ul>
  );
}

function Reads({ member, group, now }: { member: Member; group: Group; now: number }) {
  const { letter, partitions, client } = member;
  const isNamed = client !== group.name && !group.name.startsWith(client);
  return (
    <>
      {isNamed && <span class="client quiet">{client}</span>}{' '}
      {partitions.length === 0 ? (
        <span class="quiet">{group.rebalancing === undefined ? 'reads no partition' : 'waits'}</span>
      ) : (
        `reads ${partitions.length === 1 ? 'partition' : 'partitions'} `
      )}
      {partitions.map((partition) => {
        const { from, since = 0, letter: owner } = group.owners[partition] ?? {};
        const hasMoved =
          from !== undefined && from !== letter && owner === letter && now - since < MOVE_SHOWN_MS;
        return (
          <span key={partition} class={`chip ${hasMoved ? 'is-moved' : ''}`}>
            {hasMoved && <span class="from">{from} →</span>}
            {partition}
          </span>
        );
      })}
    </>
  );
}

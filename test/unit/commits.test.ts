import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Commits } from '../../lib/handling/commits';
import { until } from '../support/service';

const never = () => false;

test('a commit that fails is made again with the next, and never rolls a later one back', async () => {
  const sent: Record<string, number>[] = [];
  let broken = true;
  const commits = new Commits(async (offsets) => {
    if (broken) throw new Error('away');
    sent.push(Object.fromEntries(offsets));
  });
  commits.handled(0, 5, 5);
  commits.handled(1, 3, 3);
  const failing = commits.commit();
  commits.handled(0, 9, 4);
  await failing;
  assert.equal(commits.uncommitted, 12);
  broken = false;
  await commits.commit();
  assert.deepEqual(sent, [{ 0: 9, 1: 3 }]);
  assert.equal(commits.uncommitted, 0);
});

test('once the generation is over nothing more is committed, be it handled before or after', async () => {
  const sent: unknown[] = [];
  const commits = new Commits(async (offsets) => void sent.push(offsets));
  commits.handled(0, 5, 5);
  commits.end();
  commits.handled(0, 6, 1);
  await commits.commit();
  assert.deepEqual(sent, []);
  assert.equal(commits.uncommitted, 0);
});

test('work that waits for its commit goes on once it is made, or never will be', async () => {
  let attempts = 0;
  const commits = new Commits(async () => {
    if (++attempts < 3) throw new Error('refused');
  });
  commits.handled(0, 1, 1);
  await commits.settle(never);
  assert.equal(attempts, 3);
  assert.equal(commits.uncommitted, 0);

  const refused = new Commits(async () => {
    throw new Error('refused');
  });
  refused.handled(0, 2, 1);
  let asked = 0;
  await refused.settle(() => ++asked > 2);
  assert.equal(refused.uncommitted, 1);
  refused.end();
});

test('a commit sets out before work has to wait for it, and what is handled meanwhile is in the next', async () => {
  const answers: (() => void)[] = [];
  const sent: (number | undefined)[] = [];
  const commits = new Commits((offsets) => {
    sent.push(offsets.get(0));
    return new Promise((resolve) => answers.push(resolve));
  });
  for (let next = 1; next <= 100; next++) {
    assert.equal(commits.isFull, false);
    commits.handled(0, next, 1);
  }
  assert.ok(commits.isFull);
  assert.deepEqual(sent, [50]);
  let hasRoom = false;
  const room = commits.room(never).then(() => {
    hasRoom = true;
  });
  answers[0]?.();
  await room;
  assert.ok(hasRoom);
  assert.equal(commits.uncommitted, 50);
  await until('the next commit', () => sent.length === 2);
  assert.deepEqual(sent, [50, 100]);
  answers[1]?.();
  await until('all committed', () => commits.uncommitted === 0);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Commits } from '../../lib/handling/commits';

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

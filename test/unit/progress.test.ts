import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Progress } from '../../lib/progress';

test('a commit that fails is made again with the next, and never rolls a later one back', async () => {
  const progress = new Progress();
  const commits: Record<string, number>[] = [];
  let broken = true;
  progress.commitBy(async (offsets) => {
    if (broken) throw new Error('away');
    commits.push(Object.fromEntries(offsets));
  });
  progress.handled(0, 5, 5);
  progress.handled(1, 3, 3);
  const failing = progress.commit();
  progress.handled(0, 9, 4);
  await failing;
  assert.equal(progress.uncommitted, 12);
  broken = false;
  await progress.commit();
  assert.deepEqual(commits, [{ 0: 9, 1: 3 }]);
  assert.equal(progress.uncommitted, 0);
});

test('after a rebalance nothing of before is committed', async () => {
  const progress = new Progress();
  const commits: unknown[] = [];
  progress.commitBy(async (offsets) => void commits.push(offsets));
  progress.handled(0, 5, 5);
  progress.forget();
  await progress.commit();
  assert.deepEqual(commits, []);
});

test('work that waits for its commit goes on once it is made, or never will be', async () => {
  const progress = new Progress();
  let attempts = 0;
  progress.commitBy(async () => {
    if (++attempts < 3) throw new Error('refused');
  });
  progress.handled(0, 1, 1);
  await progress.settle(() => false);
  assert.equal(attempts, 3);
  assert.equal(progress.isOwed, false);

  progress.commitBy(async () => {
    throw new Error('refused');
  });
  progress.handled(0, 2, 1);
  await progress.settle(() => progress.isOwed);
  assert.equal(progress.isOwed, true);
  progress.forget();
  assert.equal(progress.isOwed, false);
});

/** The README's experiments, with its own commands: a run shows what the recorded one did. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { buildAndRun, copyProject, removeDemo } from '../../harness/compose';
import { experimentsOf, follow, Reading, TEXTS } from '../../harness/experiments';

const folder = copyProject();
const experiments = TEXTS.flatMap((name) => experimentsOf(readFileSync(join(folder, name), 'utf8')));

before(async () => {
  removeDemo(folder);
  assert.equal((await buildAndRun(folder, ['-d']).exit).code, 0);
});
after(() => {
  removeDemo(folder);
  rmSync(folder, { recursive: true });
});

test('there are six to twelve experiments', () => {
  assert.ok(experiments.length >= 6 && experiments.length <= 12, `${experiments.length}`);
});

for (const { title, steps } of experiments)
  test(`experiment: ${title}`, async () => {
    const reading = new Reading();
    for (const step of steps) await follow(folder, step, reading);
  });

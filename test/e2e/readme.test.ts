/** The README's experiments, with its own commands: a run shows what the recorded one did. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { copyProject, removeDemo, startDemo } from '../../harness/compose';
import { experimentsOf, follow, ON_THREE, Reading, TEXTS } from '../../harness/experiments';

const folder = copyProject();
const experiments = TEXTS.flatMap((file) =>
  experimentsOf(readFileSync(join(folder, file), 'utf8')).map((experiment) => ({ file, ...experiment })),
);

before(async () => {
  removeDemo(folder);
  await startDemo(folder);
});
after(() => {
  removeDemo(folder);
  rmSync(folder, { recursive: true });
});

test('there are six to thirteen experiments', () => {
  assert.ok(experiments.length >= 6 && experiments.length <= 13, `${experiments.length}`);
});

for (const { file, title, steps } of experiments)
  test(`experiment: ${title}`, async () => {
    if (file === ON_THREE) {
      // What the others have left running would make the topic there, too, with one partition.
      removeDemo(folder);
      await startDemo(folder, ['--cluster']);
    }
    const reading = new Reading();
    for (const step of steps) await follow(folder, step, reading);
  });

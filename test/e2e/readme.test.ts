/** The README's experiments, with its own commands and the lines that it tells its readers to expect. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { buildAndRun, compose, copyProject, docker } from '../support/compose';
import { Recorded } from '../support/service';

const folder = copyProject();
const readme = readFileSync(join(folder, 'README.md'), 'utf8');
const chapter = /\n## Try it\n(.*?)\n## /s.exec(readme)?.[1] as string;
const experiments = chapter.split('\n### ').slice(1);

before(async () => {
  compose(folder, 'down', '--volumes', '--remove-orphans');
  assert.equal((await buildAndRun(folder, ['-d']).exit).code, 0);
});
after(() => {
  const left = docker(
    'ps',
    '--all',
    '--quiet',
    '--filter',
    'label=com.docker.compose.project=kafka-consumers-demo',
  );
  docker('rm', '--force', '--volumes', ...left.split('\n'));
  compose(folder, 'down', '--volumes');
  rmSync(folder, { recursive: true });
});

test('there are six to eight experiments', () => {
  assert.ok(experiments.length >= 6 && experiments.length <= 8, `${experiments.length}`);
});

for (const experiment of experiments) {
  const title = experiment.slice(0, experiment.indexOf('\n'));
  const steps = [...experiment.matchAll(/```sh\n(.*?)```\n```text\n(.*?)```/gs)];
  test(`experiment: ${title}`, async () => {
    assert.ok(steps.length > 0);
    for (const [, commands = '', expected = ''] of steps) await follow(commands, expected.trim().split('\n'));
  });
}

/** Types the commands; the last one is ended by Ctrl-C once it has shown all the lines, in their order. */
async function follow(commands: string, expected: string[]): Promise<void> {
  const shell = spawn('bash', ['-e', '-c', commands], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const run = new Recorded(shell);
  await run.shows(expected.join('\n'), (lines) => {
    let from = 0;
    return expected.every((line) => {
      const at = lines.findIndex((shown, index) => index >= from && matches(shown, line));
      from = at + 1;
      return at >= 0;
    });
  });
  if (shell.exitCode === null) {
    process.kill(-(shell.pid as number), 'SIGINT');
    await run.exit;
  }
}

/** `…` stands for anything; a space for any number of them. */
function matches(shown: string, expected: string): boolean {
  const escaped = expected.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('…', '.*').replaceAll(' ', ' *')}\\s*$`).test(shown);
}

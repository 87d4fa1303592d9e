/** The experiments of the README, with its own commands, without Docker: a run shows what the recorded one did. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Experiment, experimentsOf, follow, Reading, TEXTS } from '../../harness/experiments';
import { lineOf, received } from '../../harness/log';
import { freePort } from '../../local/ports';
import { useDemoWithoutDocker } from '../support/without_docker';

const ROOT = join(__dirname, '..', '..');
const { copy, buildAndRun } = useDemoWithoutDocker(async () => {
  const demo = buildAndRun([], { KAFKA_EXTERNAL_PORT: String(await freePort()) });
  const ofNewest = (line: string) => lineOf('consumer_from_newest', line) ?? [];
  await demo.shows('the newest at work', (lines) => received(lines.flatMap(ofNewest)).length > 0);
});
/** As the README has it. */
const env = { ...process.env, PATH: `${join(copy, 'local')}:${process.env.PATH}` };

const [ofReadme = [], ofDocs = []] = TEXTS.map((name) =>
  experimentsOf(readFileSync(join(ROOT, name), 'utf8')),
);

const shows = ({ title, steps }: Experiment) =>
  test(`without Docker: ${title}`, async () => {
    const reading = new Reading();
    let began = Date.now();
    for (const { commands, lines } of steps) {
      // What counts is what was printed since the start, however long ago that is on a busy machine.
      const ago = Math.ceil((Date.now() - began) / 1000);
      const far = commands.replace(/--since (\d+)s/, (_, s) => `--since ${Math.max(Number(s), ago)}s`);
      if (/ start /.test(commands)) began = Date.now();
      await follow(copy, { commands: far, lines }, reading, env);
    }
  });

// These stop what the others need.
ofReadme.forEach(shows);
describe('those with groups and topics of their own', { concurrency: 2 }, () => ofDocs.forEach(shows));

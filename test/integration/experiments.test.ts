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
    for (const step of steps) await follow(copy, step, reading, env);
  });

// These stop what the others need.
ofReadme.forEach(shows);
describe('those with groups and topics of their own', { concurrency: 2 }, () => ofDocs.forEach(shows));

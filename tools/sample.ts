/** Records sample_consumer.log: the log of a first run of the Compose stack, as it comes. `npm run sample`. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildAndRun, compose, copyProject } from '../test/support/compose';
import { received } from '../test/support/log';
import { until } from '../test/support/service';

/** So many messages of the newest consumer make about half a minute of log. */
const LONG_ENOUGH = 20;

async function record(): Promise<void> {
  const folder = copyProject();
  compose(folder, 'down', '--volumes');
  const stack = buildAndRun(folder);
  try {
    await until('half a minute', () => received(stack.of('consumer_from_newest')).length >= LONG_ENOUGH);
    // What Compose itself says goes before the first line of a service.
    const log = stack.lines.slice(stack.lines.findIndex((line) => line.includes(' | ')));
    writeFileSync(join(__dirname, '..', 'sample_consumer.log'), `${log.join('\n')}\n`);
  } finally {
    if (stack.child.exitCode === null) await stack.pressCtrlC();
    compose(folder, 'down', '--volumes');
    rmSync(folder, { recursive: true });
  }
}

record().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

/** The demo without Docker, as a user runs it, in a copy: the user's own data in local/data stays as it is. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { LOCAL_FILES } from '../../harness/compose';
import { Recorded } from '../../harness/service';
import { fetchKafka } from '../../local/java';

const ROOT = join(__dirname, '..', '..');
/** No Docker Engine answers at this address, so the script does without. */
const NOWHERE = 'unix:///nonexistent.sock';

/**
 * Makes the copy before the tests of a file, and removes it after them, with what a failed test has left running.
 *
 * @param start what else is done before the tests
 * @returns its folder, and what runs its ./buildAndRun.sh
 */
export function useDemoWithoutDocker(start: () => Promise<void> = async () => {}) {
  const copy = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-größe-'));
  const demos: Recorded[] = [];
  before(async () => {
    await fetchKafka('kafka-3');
    await fetchKafka('kafka-4');
    for (const folder of ['lib', ...LOCAL_FILES, 'producer', 'consumers', 'view'])
      cpSync(join(ROOT, folder), join(copy, folder), { recursive: true });
    for (const file of [
      'package.json',
      'package-lock.json',
      'tsconfig.json',
      'buildAndRun.sh',
      'docker-compose.cluster.yml',
    ])
      cpSync(join(ROOT, file), join(copy, file));
    // Older than the packages, be they installed for it or not: the script would install them anew, through the link.
    utimesSync(join(copy, 'package-lock.json'), 0, 0);
    for (const folder of ['node_modules', '.compiled', 'local/jars', 'local/jars-4'])
      symlinkSync(join(ROOT, folder), join(copy, folder));
    await start();
  });
  after(async () => {
    for (const demo of demos)
      if (demo.child.exitCode === null && !demo.child.signalCode) await pressCtrlC(demo);
    rmSync(copy, { recursive: true });
  });
  const buildAndRun = (args: string[] = [], settings: Record<string, string> = {}): Recorded => {
    const child = spawn(join(copy, 'buildAndRun.sh'), args, {
      cwd: tmpdir(),
      env: { PATH: process.env.PATH, HOME: process.env.HOME, DOCKER_HOST: NOWHERE, ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const demo = new Recorded(child);
    demos.push(demo);
    return demo;
  };
  return { copy, buildAndRun };
}

/** As a terminal does it: to the whole process group. */
export async function pressCtrlC(demo: Recorded): Promise<number | null> {
  process.kill(-(demo.child.pid as number), 'SIGINT');
  return (await demo.exit).code;
}

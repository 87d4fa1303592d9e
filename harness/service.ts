/** A service as users run it: a process with its lines and its exit code. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = join(__dirname, '..');

/** Where each service begins. */
export const ENTRYPOINTS = {
  'kafka-producer': 'producer/producer.ts',
  consumer_from_oldest: 'consumers/consumer_fromOldest.ts',
  consumer_from_newest: 'consumers/consumer_fromNewest.ts',
  consumer_batch_message: 'consumers/consumer_batchMessage.ts',
  live_view: 'view/live_view.ts',
};

export type ServiceName = keyof typeof ENTRYPOINTS;

/** How long a test waits for a condition, in ms: no measure of anything, only the end of hope. */
const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 300_000);

/**
 * Waits until the condition gives something other than undefined or false, and gives that. What takes long to ask is
 * asked less often, for asking is not to take the time from what is waited for.
 */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const end = Date.now() + patienceMs;
  for (;;) {
    const asked = Date.now();
    const result = await condition();
    if (result !== undefined && result !== false) return result;
    if (Date.now() > end) throw new Error(`Waited ${patienceMs / 1000} s in vain for: ${what}`);
    const took = Date.now() - asked;
    await sleep(Math.max(20, Math.min(9 * took, 500), 2 * took));
  }
}

/** A process whose output is kept, line by line. */
export class Recorded {
  readonly lines: string[] = [];
  readonly errors: string[] = [];
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  constructor(readonly child: ChildProcess) {
    this.exit = once(child, 'close').then(([code, signal]) => ({ code, signal }));
    if (child.stdout) createInterface(child.stdout).on('line', (line) => this.lines.push(line));
    if (child.stderr) createInterface(child.stderr).on('line', (line) => this.errors.push(line));
  }

  /** The first line, from the given one on, that the condition holds for. */
  line(what: string, condition: (line: string) => boolean, from = 0): Promise<string> {
    return this.until(what, () => this.lines.slice(from).find(condition));
  }

  /** Waits until what `read` makes of the lines is so. */
  async shows(what: string, condition: (lines: readonly string[]) => boolean): Promise<void> {
    await this.until(what, () => condition(this.lines));
  }

  private async until<T>(what: string, condition: () => T | undefined | false): Promise<T> {
    try {
      return await until(what, condition);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.end()}`);
    }
  }

  /** What it printed last, for whoever looks into a failure: of its messages a few, for they say the least. */
  end(): string {
    const { exitCode, signalCode } = this.child;
    const isMessage = (line: string) => /^(Sent|Received): /.test(line);
    return [
      `It ${exitCode === null && signalCode === null ? 'still runs' : `ended: ${exitCode ?? signalCode}`}.`,
      ...this.lines.filter(isMessage).slice(-3),
      'All else that it printed last:',
      ...this.lines.filter((line) => !isMessage(line)).slice(-30),
      'Its errors:',
      ...this.errors.slice(-30),
    ].join('\n');
  }

  /** Asks it to stop, waits, and gives the exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal);
    return (await this.exit).code;
  }
}

const running = new Set<Recorded>();
process.on('exit', () => {
  for (const { child } of running) child.kill('SIGKILL');
});

/**
 * Starts a service, by its name or by its source file, and with the compiled code of a folder where one is given. What
 * is left of a failed test, `killServices` ends.
 */
export function startService(
  name: ServiceName | `${string}.ts`,
  settings: Record<string, string>,
  compiled?: string,
): Recorded {
  const source = name in ENTRYPOINTS ? ENTRYPOINTS[name as ServiceName] : name;
  const args = compiled ? [join(compiled, source.replace(/ts$/, 'js'))] : ['-r', './compiled', source];
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const service = new Recorded(child);
  running.add(service);
  service.exit.then(() => running.delete(service));
  return service;
}

/** To call after each test. */
export async function killServices(): Promise<void> {
  const left = [...running];
  for (const { child } of left) {
    child.kill('SIGCONT');
    child.kill('SIGKILL');
  }
  await Promise.all(left.map(({ exit }) => exit));
}

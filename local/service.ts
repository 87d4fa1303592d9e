/** One of our services without Docker: a process, started, stopped, and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Environment } from '../lib/settings/settings';
import type { Container } from './containers';
import { serviceEnvironment } from './environment';

const ROOT = join(__dirname, '..');

const ENTRYPOINTS = {
  'kafka-producer': 'producer/producer',
  consumer_from_oldest: 'consumers/consumer_fromOldest',
  consumer_from_newest: 'consumers/consumer_fromNewest',
  consumer_batch_message: 'consumers/consumer_batchMessage',
  live_view: 'view/live_view',
};
export type ServiceName = keyof typeof ENTRYPOINTS;

export const isService = (name: string): name is ServiceName => name in ENTRYPOINTS;

export class Service implements Container {
  isRunning = false;
  /** Of the last time; null where a signal ended it. */
  exitCode: number | null = null;
  private child: ChildProcess | undefined;

  /**
   * @param wiring what it is told over all other settings
   * @param onExit is told the exit code, once all lines have been read; null where a signal ended it
   */
  constructor(
    private readonly service: ServiceName,
    private readonly wiring: Environment,
    private readonly onLine: (line: string) => void,
    private readonly onExit: (code: number | null) => void = () => {},
  ) {}

  start(): void {
    if (this.isRunning) return;
    const entrypoint = ENTRYPOINTS[this.service];
    const dockerfile = this.service === 'live_view' ? 'view/view' : entrypoint;
    const child = spawn(process.execPath, ['-r', './compiled', `${entrypoint}.ts`], {
      cwd: ROOT,
      env: serviceEnvironment(join(ROOT, `${dockerfile}.dockerfile`), this.wiring),
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own: a terminal's Ctrl-C reaches only us, and each service gets one signal.
      detached: true,
    });
    for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', this.onLine);
    child.once('close', (code) => {
      this.isRunning = false;
      this.exitCode = code;
      this.onExit(code);
    });
    this.child = child;
    this.isRunning = true;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.child || !this.isRunning) return;
    const gone = once(this.child, 'close');
    this.child.kill(signal);
    await gone;
  }
}

/** One broker for all files that change nothing of it: the runner has it, and starts it for the first that asks. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Broker, startBroker } from '../../local/broker';

/** The runner's side. */
export class SharedBroker {
  private readonly dataDir = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));
  private broker: Promise<Broker> | undefined;

  /** Tells the child the port, once it asks. Where no broker can be started, the child ends without. */
  serve(child: ChildProcess): void {
    child.once('message', async () => {
      this.broker ??= startBroker({ dataDir: this.dataDir });
      await this.broker.then(
        ({ port }) => child.send(port),
        () => child.disconnect(),
      );
    });
  }

  async stop(): Promise<void> {
    await (await this.broker?.catch(() => undefined))?.stop();
    rmSync(this.dataDir, { recursive: true });
  }
}

/** The child's side: the broker's port. */
export async function sharedPort(): Promise<number> {
  process.send?.('the port');
  const [port] = await Promise.race([once(process, 'message'), once(process, 'disconnect')]);
  if (port === undefined) throw new Error('The shared broker could not be started');
  // With the channel open, this process would not end.
  process.disconnect();
  return port as number;
}

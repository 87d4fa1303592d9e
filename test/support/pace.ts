/** How busy the machine is: what a test says of seconds holds where it has its cores to itself. */
import { startService } from '../../harness/service';

/** How many seconds a process of ours takes to start and end, here and now; 1 at the least. */
export async function pace(): Promise<number> {
  const started = performance.now();
  await startService('kafka-producer', { KAFKA_BROKERS: 'none' }).exit;
  return Math.max(1, (performance.now() - started) / 1000);
}

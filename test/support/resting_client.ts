/** A client that has asked and is answered: prints how many of its timers go off in the 3 s after that. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster } from '../../lib/client/cluster';
import { producerConfig } from '../../lib/settings/settings';

const { setTimeout, setInterval } = globalThis;
let calls = 0;
const counted =
  (start: (call: () => void, ms?: number) => NodeJS.Timeout) => (call: () => void, ms?: number) =>
    start(() => {
      calls++;
      call();
    }, ms);
Object.assign(globalThis, { setTimeout: counted(setTimeout), setInterval: counted(setInterval) });

async function rest(): Promise<void> {
  const cluster = new Cluster(producerConfig('client'));
  await cluster.metadata();
  calls = 0;
  await sleep(3000);
  console.log(calls);
  cluster.close();
}

void rest();

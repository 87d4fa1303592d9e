/**
 * A network not to be relied on, between our services and the broker: in a container, to which Kafka's name leads. It
 * rages from each second signal to the next.
 */
import { join } from 'node:path';
import { OUR_SERVICES } from '../../harness/compose';
import { Chaos, chaosSeed } from '../support/chaos';
import type { Changes } from './lab';

const PORT = 29_092;
/** Of the connections, so many fall silent. */
const SILENT = 0.1;

export const BAD_NETWORK: Changes = {
  services: {
    kafka: { networks: { default: { aliases: ['broker'] } } },
    network: {
      image: 'node:24-bookworm-slim',
      init: true,
      volumes: [`${join(__dirname, '..', '..')}:/project:ro`],
      working_dir: '/project',
      command: 'node -r ./compiled test/drills/network.ts',
      environment: process.env.CHAOS_SEED ? { CHAOS_SEED: process.env.CHAOS_SEED } : {},
      networks: { default: {}, behind: { aliases: ['kafka'] } },
    },
    ...Object.fromEntries(
      OUR_SERVICES.map((service) => [
        service,
        { networks: ['behind'], depends_on: { network: { condition: 'service_started' } } },
      ]),
    ),
  },
  networks: { behind: {} },
};

async function main(): Promise<void> {
  const seed = chaosSeed();
  const way = { host: '0.0.0.0', port: PORT, target: { host: 'broker', port: PORT } };
  const network = await Chaos.start(way, seed, SILENT);
  console.log(`To play it again: CHAOS_SEED=${seed}`);
  let isRaging = false;
  process.on('SIGUSR2', () => {
    isRaging = !isRaging;
    if (isRaging) network.rage();
    else network.calm();
    console.log(isRaging ? 'It rages' : `It is calm, after ${network.endings} endings`);
  });
}

if (require.main === module) main();

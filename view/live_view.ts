/**
 * Shows what Kafka knows, live, on a page: http://localhost:8080.
 *
 * It asks as an administrator would, and reads messages without a group: so it is not in its own picture, and the
 * services that it shows do not notice it.
 */
import { once } from 'node:events';
import { print, runService } from '../lib/process/service';
import { viewConfig } from '../lib/settings/settings';
import { Poller } from './poller';
import { ClusterReader } from './reader';
import { createViewServer } from './server';

runService(async (stopping) => {
  const config = viewConfig('live_view');
  const poller = new Poller(config.topic, new ClusterReader(config));
  poller.onSilence = (reason) =>
    print(reason ? `Kafka does not answer: ${reason}; asking again until it does` : 'Kafka answers');

  const server = createViewServer(poller);
  await listen(server, config);
  print(`The live view is at http://localhost:${config.port}`);
  await poller.run(stopping);
  server.closeAllConnections();
});

async function listen(
  server: ReturnType<typeof createViewServer>,
  config: { address: string; port: number },
) {
  server.listen(config.port, config.address);
  await once(server, 'listening').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new Error(`Port ${config.port} is taken: stop what listens there, or choose another VIEW_PORT`);
  });
}

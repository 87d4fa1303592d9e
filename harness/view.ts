/** The live view as a process, and what it tells. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { freePort } from '../local/broker';
import type { Snapshot } from '../view/picture';
import { type Recorded, startService } from './service';

export interface View {
  service: Recorded;
  port: number;
  /** All that it knows of the topic; of its own where none is given. */
  state(topic?: string): Promise<Snapshot>;
  /** Opens the page's stream of a topic, so that it is looked at; the function that is given closes it. */
  look(topic: string): Promise<() => void>;
}

/** Starts it on a free port, and waits until it listens. */
export async function openView(settings: { KAFKA_BROKERS: string; KAFKA_TOPIC: string }): Promise<View> {
  const port = await freePort();
  const service = startService('live_view', { VIEW_PORT: String(port), ...settings });
  await service.line('the address', (line) => line === `The live view is at http://localhost:${port}`);
  return {
    service,
    port,
    state: async (topic = settings.KAFKA_TOPIC) =>
      JSON.parse((await ask(port, `/api/state?topic=${topic}`)).body) as Snapshot,
    look: async (topic) => {
      const call = get(`http://localhost:${port}/events?topic=${topic}`, { agent: false });
      await new Promise((resolve, reject) => {
        call.on('response', (response) => resolve(response.resume().on('error', () => {})));
        call.on('error', reject);
      });
      return () => call.destroy();
    },
  };
}

/** One answer of the view, over a connection of its own: one that is kept may end while nobody waits for it. */
export async function ask(port: number, path: string): Promise<{ status: number; body: string }> {
  const call = get({ host: '127.0.0.1', port, path, headers: { Host: `localhost:${port}` }, agent: false });
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk;
  return { status: response.statusCode ?? 0, body };
}

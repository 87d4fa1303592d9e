/** The ports of this machine, without Docker. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { Environment } from '../lib/settings/settings';

/** In the order of the brokers' ids. */
export const BROKER_PORTS = [
  'KAFKA_EXTERNAL_PORT',
  'KAFKA_2_EXTERNAL_PORT',
  'KAFKA_3_EXTERNAL_PORT',
] as const;

/** By their settings, what the ports are unless set: as in the Compose files. */
const DEFAULTS = {
  KAFKA_EXTERNAL_PORT: 9092,
  KAFKA_2_EXTERNAL_PORT: 9093,
  KAFKA_3_EXTERNAL_PORT: 9094,
  VIEW_PORT: 8080,
};

export type PortSetting = keyof typeof DEFAULTS;

/**
 * The port of each setting, in their order. For a broker that nobody has set a port for, the next free one will do where
 * its own is taken.
 *
 * @throws Error of one line where a setting is no port, is that of another, or is taken
 */
export async function choosePorts(settings: PortSetting[], environment: Environment): Promise<number[]> {
  const set = settings.map((setting) => portOf(setting, environment));
  requireDifferent(set);
  const ports: number[] = [];
  for (const [index, setting] of settings.entries()) {
    let port = set[index] ?? DEFAULTS[setting];
    const mayMove = set[index] === undefined && setting !== 'VIEW_PORT';
    while (mayMove && (set.includes(port) || ports.includes(port) || !(await isFree(port)))) port++;
    if (!mayMove && !(await isFree(port)))
      throw new Error(
        `Port ${port} on this machine is taken: stop what listens there, or choose another with ${setting}=1${DEFAULTS[setting]}`,
      );
    ports.push(port);
  }
  return ports;
}

const given = new Set<number>();

/** A port that nobody listens on at this moment, and none that this process was given before. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  if (given.has(port)) return freePort();
  given.add(port);
  return port;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().listen(port, '127.0.0.1');
    server.once('error', () => resolve(false));
    server.once('listening', () => server.close(() => resolve(true)));
  });
}

function portOf(setting: PortSetting, environment: Environment): number | undefined {
  const value = environment[setting];
  if (value === undefined) return undefined;
  const port = /^\d+$/.test(value) ? Number(value) : 0;
  if (port < 1 || port > 65_535)
    throw new Error(`${setting} is "${value}": a port from 1 to 65535 is needed; change it, or leave it out`);
  return port;
}

function requireDifferent(ports: (number | undefined)[]): void {
  const twice = ports.find((port, index) => port !== undefined && ports.indexOf(port) < index);
  if (twice !== undefined)
    throw new Error(
      `Port ${twice} is meant for two services: give each its own (${Object.keys(DEFAULTS).join(', ')}).`,
    );
}

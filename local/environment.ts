/** The settings of a service without Docker: those of its Dockerfile, with the shell's and .env's over them. */
import { readFileSync } from 'node:fs';
import { type Environment, readEnvironment } from '../lib/process/settings';

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

/** How a setting is checked: each kind has a rule, and what breaks it is said with the value, the rule, the remedy. */
import { cleanEnv, EnvError, makeExactValidator } from 'envalid';

export type Environment = Record<string, string | undefined>;

/** The longest delay that Node's timers take, in ms. */
export const MAX_TIMER_MS = 2_147_483_647;

/** A validator for envalid: the value that `parse` makes of the text, or else the rule as the error. */
const setting = <T>(rule: string, parse: (value: string) => T | undefined) =>
  makeExactValidator<T>((value) => {
    const parsed = value === '' ? undefined : parse(value);
    if (parsed === undefined) throw new EnvError(rule);
    return parsed;
  });

export const wholeNumber = (min: number, max: number) =>
  setting(`a whole number from ${min} to ${max} is needed`, (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max ? number : undefined;
  });

export const text = setting<string>('at least one character is needed', (value) => value);

export const oneOf = <T extends string>(...values: T[]) =>
  setting<T>(
    `${values
      .map((value) => `"${value}"`)
      .join(', ')
      .replace(/, ([^,]*)$/, ' or $1')} is needed`,
    (value) => values.find((one) => one === value),
  );

export const topicName = setting<string>(
  'a topic name is needed, of 1 to 249 letters, digits, ".", "_" and "-", and not "." or ".."',
  (value) => (/^(?!\.\.?$)[\w.-]{1,249}$/.test(value) ? value : undefined),
);

export const brokerList = setting<string[]>('a comma-separated list of host:port is needed', (value) => {
  const brokers = value.split(',').map((broker) => broker.trim());
  return brokers.every(isHostAndPort) ? brokers : undefined;
});

function isHostAndPort(broker: string): boolean {
  // An IPv6 address stands in brackets.
  const port = Number(/^(?:[^\s:/[\]]+|\[[\da-f:.]+\]):(\d{1,5})$/i.exec(broker)?.[1]);
  return port >= 1 && port <= 65_535;
}

export const timeZone = setting<string>('a time zone is needed, as Europe/Berlin or UTC', (value) => {
  // The path of a file: that is for the system to know.
  if (value.startsWith(':')) return value;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }) && value;
  } catch {
    return undefined;
  }
});

export const webAddress = setting<URL>(
  'an address with http:// or https://, and without user and password, is needed',
  (value) => {
    if (!/^https?:\/\//.test(value) || !URL.canParse(value)) return undefined;
    const url = new URL(value);
    return url.username === '' && url.password === '' ? url : undefined;
  },
);

/** @throws Error with one line for each bad setting */
export function validate<S extends Parameters<typeof cleanEnv>[1]>(environment: Environment, specs: S) {
  return cleanEnv(environment, specs, {
    reporter: ({ errors }) => {
      const lines = Object.entries<Error | undefined>(errors).map(
        ([name, error]) =>
          `${describe(name, environment)}: ${error?.message}; change it, or leave it out for the default`,
      );
      if (lines.length > 0) throw new Error(lines.join('\n'));
    },
  });
}

/** What holds a secret, or is taken for what holds one: its value is shown to nobody. */
const SECRET = /PASSWORD|SECRET|KEY_FILE/;

/** The setting with its value, unless that is a secret, or has one before its `@`. */
export function describe(name: string, environment: Environment): string {
  const value = environment[name];
  if (value === undefined) return `${name} is not set`;
  if (value === '') return `${name} is set but empty`;
  return SECRET.test(name) ? `${name} is set` : `${name} is ${JSON.stringify(value.replace(/^.*@/s, '…@'))}`;
}

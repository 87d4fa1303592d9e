/** The settings: the only reader of the environment and of `.env`. README.md has them as a table. */
import { randomBytes } from 'node:crypto';
import { config as readDotenv } from 'dotenv';
import { cleanEnv, EnvError, makeExactValidator } from 'envalid';

export type Environment = Record<string, string | undefined>;
export type OffsetReset = 'earliest' | 'latest';

export interface KafkaConfig {
  /** The service's name: Kafka's log and tools show the client by it. */
  clientId: string;
  brokers: string[];
  topic: string;
  /** Partitions of the topic, should this process be the one that creates it. */
  topicPartitions: number;
}

export interface ProducerConfig extends KafkaConfig {
  sendIntervalMs: number;
  bufferSize: number;
  healthFile: string | undefined;
}

export interface ConsumerConfig extends KafkaConfig {
  /** Where a group without a committed offset starts. */
  autoOffsetReset: OffsetReset;
  groupId: string;
  /** A group named by chance serves one run only, so it is deleted with it. */
  groupIsTemporary: boolean;
  handlerDelayMs: number;
}

export interface BatchConfig extends ConsumerConfig {
  batchSize: number;
  batchWaitMs: number;
}

export interface ViewConfig extends KafkaConfig {
  /** The address to listen at: this machine alone, unless a container publishes the port. */
  address: string;
  port: number;
}

/** The longest delay that Node's timers take, in ms. */
const MAX_TIMER_MS = 2_147_483_647;

/** The shell's variables over those of `.env` in the working folder. */
export function readEnvironment(): Environment {
  const fromFile: Record<string, string> = {};
  readDotenv({ quiet: true, processEnv: fromFile });
  return { ...fromFile, ...process.env };
}

/** @throws Error with one line for each bad setting, as do the two functions below. */
export function producerConfig(service: string, environment = readEnvironment()): ProducerConfig {
  const env = validate(environment, {
    ...kafkaSettings,
    SEND_INTERVAL_MS: wholeNumber(1, MAX_TIMER_MS)({ default: 1000 }),
    BUFFER_SIZE: wholeNumber(1, 1_000_000)({ default: 10_000 }),
    HEALTH_FILE: text({ default: undefined }),
  });
  return {
    ...kafkaConfig(service, env),
    sendIntervalMs: env.SEND_INTERVAL_MS,
    bufferSize: env.BUFFER_SIZE,
    healthFile: env.HEALTH_FILE,
  };
}

/** @param service names the consumer group, unless GROUP_ID does. */
export function consumerConfig(
  service: string,
  defaults: { autoOffsetReset: OffsetReset },
  environment = readEnvironment(),
): ConsumerConfig {
  return asConsumer(service, validate(environment, consumerSettings(defaults.autoOffsetReset)));
}

/** As consumerConfig, with the size and the waiting time of a batch. */
export function batchConfig(
  service: string,
  defaults: { autoOffsetReset: OffsetReset },
  environment = readEnvironment(),
): BatchConfig {
  const env = validate(environment, {
    ...consumerSettings(defaults.autoOffsetReset),
    BATCH_SIZE: wholeNumber(1, 10_000)({ default: 5 }),
    BATCH_WAIT_MS: wholeNumber(1, MAX_TIMER_MS)({ default: 3000 }),
  });
  return { ...asConsumer(service, env), batchSize: env.BATCH_SIZE, batchWaitMs: env.BATCH_WAIT_MS };
}

export function viewConfig(service: string, environment = readEnvironment()): ViewConfig {
  const env = validate(environment, {
    ...kafkaSettings,
    VIEW_ADDRESS: text({ default: '127.0.0.1' }),
    VIEW_PORT: wholeNumber(1, 65_535)({ default: 8080 }),
  });
  return { ...kafkaConfig(service, env), address: env.VIEW_ADDRESS, port: env.VIEW_PORT };
}

/** A validator for envalid: the value that `parse` makes of the text, or else the rule as the error. */
const setting = <T>(rule: string, parse: (value: string) => T | undefined) =>
  makeExactValidator<T>((value) => {
    const parsed = value === '' ? undefined : parse(value);
    if (parsed === undefined) throw new EnvError(rule);
    return parsed;
  });

const wholeNumber = (min: number, max: number) =>
  setting(`a whole number from ${min} to ${max} is needed`, (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max ? number : undefined;
  });

const text = setting<string>('at least one character is needed', (value) => value);

const topicName = setting<string>(
  'a topic name is needed, of 1 to 249 letters, digits, ".", "_" and "-", and not "." or ".."',
  (value) => (/^(?!\.\.?$)[\w.-]{1,249}$/.test(value) ? value : undefined),
);

const brokerList = setting<string[]>('a comma-separated list of host:port is needed', (value) => {
  const brokers = value.split(',').map((broker) => broker.trim());
  return brokers.every(isHostAndPort) ? brokers : undefined;
});

const offsetReset = setting<OffsetReset>('"earliest" or "latest" is needed', (value) =>
  value === 'earliest' || value === 'latest' ? value : undefined,
);

function isHostAndPort(broker: string): boolean {
  const port = Number(/^[^\s:/]+:(\d{1,5})$/.exec(broker)?.[1]);
  return port >= 1 && port <= 65_535;
}

const kafkaSettings = {
  KAFKA_BROKERS: brokerList({ default: ['localhost:9092'] }),
  KAFKA_TOPIC: topicName({ default: 'test-topic' }),
  TOPIC_PARTITIONS: wholeNumber(1, 1000)({ default: 1 }),
};

const consumerSettings = (autoOffsetReset: OffsetReset) => ({
  ...kafkaSettings,
  AUTO_OFFSET_RESET: offsetReset({ default: autoOffsetReset }),
  GROUP_ID: text({ default: undefined }),
  HANDLER_DELAY_MS: wholeNumber(0, MAX_TIMER_MS)({ default: 0 }),
});

function validate<S extends Parameters<typeof cleanEnv>[1]>(environment: Environment, specs: S) {
  return cleanEnv(environment, specs, {
    reporter: ({ errors }) => {
      const lines = Object.entries<Error | undefined>(errors).map(([name, error]) => {
        const value = environment[name] ? `is ${JSON.stringify(environment[name])}` : 'is set but empty';
        return `${name} ${value}: ${error?.message}; change it, or leave it out for the default`;
      });
      if (lines.length > 0) throw new Error(lines.join('\n'));
    },
  });
}

interface KafkaEnvironment {
  KAFKA_BROKERS: string[];
  KAFKA_TOPIC: string;
  TOPIC_PARTITIONS: number;
}

const kafkaConfig = (service: string, env: KafkaEnvironment): KafkaConfig => ({
  clientId: service,
  brokers: env.KAFKA_BROKERS,
  topic: env.KAFKA_TOPIC,
  topicPartitions: env.TOPIC_PARTITIONS,
});

interface ConsumerEnvironment extends KafkaEnvironment {
  AUTO_OFFSET_RESET: OffsetReset;
  GROUP_ID: string | undefined;
  HANDLER_DELAY_MS: number;
}

const asConsumer = (service: string, env: ConsumerEnvironment): ConsumerConfig => ({
  ...kafkaConfig(service, env),
  autoOffsetReset: env.AUTO_OFFSET_RESET,
  groupId: env.GROUP_ID ?? `${service}-${randomBytes(4).toString('hex')}`,
  groupIsTemporary: env.GROUP_ID === undefined,
  handlerDelayMs: env.HANDLER_DELAY_MS,
});

/** The settings: the only reader of the environment and of `.env`. docs/settings.md has them as a table. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { parse as parseDotenv } from 'dotenv';
import { type Security, securityConfig, securityWarnings } from './security';
import {
  brokerList,
  type Environment,
  MAX_TIMER_MS,
  oneOf,
  text,
  timeZone,
  topicName,
  validate,
  wholeNumber,
} from './validate';

export type { Environment };
export type OffsetReset = 'earliest' | 'latest';

export interface KafkaConfig {
  /** The service's name: Kafka's log and tools show the client by it. */
  clientId: string;
  brokers: string[];
  topic: string;
  /** Partitions of the topic, should this process be the one that creates it. */
  topicPartitions: number;
  /** Its replicas, likewise; the broker's default where undefined. */
  topicReplicas: number | undefined;
  security: Security;
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
  /** What stands for the handler's work takes so long, … */
  handlerDelayMs: number;
  /** … and fails at this offset; nowhere where undefined. */
  handlerFailsAt: number | undefined;
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

/** The shell's variables over those of `.env` in the working folder. */
export function readEnvironment(): Environment {
  const file = existsSync('.env') ? parseDotenv(readText('.env')) : {};
  // The one setting that Node.js itself goes by.
  if (file.TZ) process.env.TZ ??= file.TZ;
  return { ...file, ...process.env };
}

/** What editors on Windows write begins with a mark: of UTF-16, or of UTF-8, which is no part of the first name. */
function readText(file: string): string {
  const bytes = readFileSync(file);
  const encoding = { fffe: 'utf-16le', feff: 'utf-16be' }[bytes.subarray(0, 2).toString('hex')];
  return new TextDecoder(encoding).decode(bytes);
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
    ...kafkaConfig(service, env, environment),
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
  return asConsumer(service, validate(environment, consumerSettings(defaults.autoOffsetReset)), environment);
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
  return {
    ...asConsumer(service, env, environment),
    batchSize: env.BATCH_SIZE,
    batchWaitMs: env.BATCH_WAIT_MS,
  };
}

export function viewConfig(service: string, environment = readEnvironment()): ViewConfig {
  const env = validate(environment, {
    ...kafkaSettings,
    VIEW_ADDRESS: text({ default: '127.0.0.1' }),
    VIEW_PORT: wholeNumber(1, 65_535)({ default: 8080 }),
  });
  return { ...kafkaConfig(service, env, environment), address: env.VIEW_ADDRESS, port: env.VIEW_PORT };
}

const kafkaSettings = {
  KAFKA_BROKERS: brokerList({ default: ['localhost:9092'] }),
  KAFKA_TOPIC: topicName({ default: 'test-topic' }),
  TOPIC_PARTITIONS: wholeNumber(1, 1000)({ default: 1 }),
  TOPIC_REPLICAS: wholeNumber(1, 32_767)({ default: undefined }),
  TZ: timeZone({ default: undefined }),
};

const consumerSettings = (autoOffsetReset: OffsetReset) => ({
  ...kafkaSettings,
  AUTO_OFFSET_RESET: oneOf('earliest', 'latest')({ default: autoOffsetReset }),
  GROUP_ID: text({ default: undefined }),
  HANDLER_DELAY_MS: wholeNumber(0, MAX_TIMER_MS)({ default: 0 }),
  HANDLER_FAILS_AT: wholeNumber(0, Number.MAX_SAFE_INTEGER)({ default: undefined }),
});

interface KafkaEnvironment {
  KAFKA_BROKERS: string[];
  KAFKA_TOPIC: string;
  TOPIC_PARTITIONS: number;
  TOPIC_REPLICAS: number | undefined;
}

/** What is allowed but unsafe is said on standard error. */
function kafkaConfig(service: string, env: KafkaEnvironment, environment: Environment): KafkaConfig {
  const security = securityConfig(environment);
  for (const line of securityWarnings(security)) console.error(line);
  return {
    clientId: service,
    brokers: env.KAFKA_BROKERS,
    topic: env.KAFKA_TOPIC,
    topicPartitions: env.TOPIC_PARTITIONS,
    topicReplicas: env.TOPIC_REPLICAS,
    security,
  };
}

interface ConsumerEnvironment extends KafkaEnvironment {
  AUTO_OFFSET_RESET: OffsetReset;
  GROUP_ID: string | undefined;
  HANDLER_DELAY_MS: number;
  HANDLER_FAILS_AT: number | undefined;
}

const asConsumer = (service: string, env: ConsumerEnvironment, environment: Environment): ConsumerConfig => ({
  ...kafkaConfig(service, env, environment),
  autoOffsetReset: env.AUTO_OFFSET_RESET,
  groupId: env.GROUP_ID ?? `${service}-${randomBytes(4).toString('hex')}`,
  groupIsTemporary: env.GROUP_ID === undefined,
  handlerDelayMs: env.HANDLER_DELAY_MS,
  handlerFailsAt: env.HANDLER_FAILS_AT,
});

/**
 * What is used of kafkajs 2.2.4 below its public API: its connections with their login, and its protocol, by which
 * requests become bytes and bytes answers. All of it is called or inherited from, and nothing of it replaced.
 */
import type { KafkaConfig, AssignerProtocol as Protocol } from 'kafkajs';

const VERSION = '2.2.4';

const { version } = require('kafkajs/package.json');
// Of another version's files nobody knows whether they are what is expected here.
if (version !== VERSION)
  throw new Error(`kafkajs is ${version}: lib/client is for ${VERSION}; install that, or look at it anew`);

export const { AssignerProtocol } = require('kafkajs') as { AssignerProtocol: typeof Protocol };

/** A connection to a broker: socket, framing, login. See kafkajs/src/network/connection.js. */
export interface BaseConnection {
  readonly broker: string;
  readonly sasl: KafkaConfig['sasl'];
  requestQueue: BaseQueue;
  connectionStatus: string;
  chunks: Buffer[];
  bytesBuffered: number;
  socket: { destroy(): void } | undefined;
  isConnected(): boolean;
  connect(): Promise<unknown>;
  authenticate(): Promise<void>;
  send(exchange: Exchange): Promise<unknown>;
  processData(bytes: Buffer): void;
  rejectRequests(error: Error): void;
  disconnect(): Promise<unknown>;
  setVersions(versions: Versions): void;
  setSupportAuthenticationProtocol(isSupported: boolean): void;
}

export interface ConnectionOptions {
  host: string;
  port: number;
  clientId: string;
  ssl: KafkaConfig['ssl'];
  sasl: KafkaConfig['sasl'];
  logger: typeof MUTE;
  socketFactory: unknown;
  connectionTimeout: number;
  requestTimeout: number;
  enforceRequestTimeout: boolean;
  reauthenticationThreshold: number;
}

interface BaseQueue {
  scheduleCheckPendingRequests(): void;
  maybeThrottle(ms: number): void;
  destroy(): void;
}

/** One request, and how its answer is read. */
export interface Exchange {
  request: { apiName: string; apiVersion: number };
  response: {
    /** The answer as it is, with its error codes. */
    decode(payload: Buffer): Promise<unknown>;
    /** @throws the first error in the answer */
    parse(answer: unknown): Promise<unknown>;
  };
}

/** By the API's key, which versions of it the broker speaks. */
export type Versions = Record<number, { minVersion: number; maxVersion: number }>;

export type RequestName =
  | 'CreateTopics'
  | 'DeleteGroups'
  | 'DescribeGroups'
  | 'Fetch'
  | 'GroupCoordinator'
  | 'Heartbeat'
  | 'InitProducerId'
  | 'JoinGroup'
  | 'LeaveGroup'
  | 'ListGroups'
  | 'ListOffsets'
  | 'Metadata'
  | 'OffsetCommit'
  | 'OffsetFetch'
  | 'Produce'
  | 'SyncGroup';

/** A request that kafkajs has none of, in one version: made and read by whoever asks it. */
export interface OwnRequest<Args = never> {
  apiName: string;
  apiKey: number;
  apiVersion: number;
  encode(args: Args): Encoder;
  decode(payload: Buffer): unknown;
}

export const BaseConnection: new (
  options: ConnectionOptions,
) => BaseConnection = require('kafkajs/src/network/connection');
export const BaseQueue: new (options: object) => BaseQueue = require('kafkajs/src/network/requestQueue');
export const socketFactory: () => unknown = require('kafkajs/src/network/socketFactory');

const { requests, lookup } = require('kafkajs/src/protocol/requests');
const apiKeys = require('kafkajs/src/protocol/requests/apiKeys');

/** The request in the newest version that both sides speak. @throws where the broker does not know it */
export function toExchange(versions: Versions, name: RequestName | OwnRequest, args: unknown): Exchange {
  if (typeof name === 'string') return lookup(versions)(apiKeys[name], requests[name])(args);
  const { apiName, apiKey, apiVersion, encode, decode } = name;
  const protocol = () => ({
    request: { apiName, apiKey, apiVersion, encode: async () => encode(args as never) },
    response: { decode: async (payload: Buffer) => decode(payload), parse: async () => undefined },
  });
  return lookup(versions)(apiKey, { versions: [apiVersion], protocol });
}

/** The first error that the answer tells of, with the broker's own reason where it gives one. */
export async function findError({ response }: Exchange, answer: unknown): Promise<NamedError | undefined> {
  try {
    await response.parse(answer);
    return undefined;
  } catch (thrown) {
    // Of several topics kafkajs gathers the errors, and leaves out what the broker says of them.
    const error = (thrown as { errors?: NamedError[] }).errors?.[0] ?? (thrown as NamedError);
    const { topicErrors = [] } = answer as { topicErrors?: { errorMessage?: string | null }[] };
    error.message = topicErrors.find(({ errorMessage }) => errorMessage)?.errorMessage ?? error.message;
    return error;
  }
}

/** Asks which versions of which requests the broker speaks: in the form that all of them know. */
export const askVersions: Exchange = requests.ApiVersions.protocol({ version: 0 })();

/** Reads numbers and strings of Kafka's protocol. */
export interface Decoder {
  readonly buffer: Buffer;
  readInt16(): number;
  readInt32(): number;
  readInt64(): bigint;
  readString(): string;
  readUVarIntString(): string | null;
  readUVarIntArray<T>(read: (decoder: Decoder) => T): T[] | null;
  readTaggedFields(): unknown;
  readArray<T>(read: (decoder: Decoder) => T): T[];
  slice(size: number): Decoder;
  forward(size: number): void;
  canReadBytes(size: number): boolean;
}
export const Decoder: new (bytes: Buffer) => Decoder = require('kafkajs/src/protocol/decoder');

/** Writes them. */
export interface Encoder {
  writeBoolean(value: boolean): Encoder;
  writeUVarInt(value: number): Encoder;
  writeUVarIntString(value: string): Encoder;
  writeUVarIntArray(values: Encoder[]): Encoder;
}
export const Encoder: new () => Encoder = require('kafkajs/src/protocol/encoder');

type NamedError = Error & { type?: string; code?: string };
/** The error with Kafka's own name for the code, as its `type`. */
export const createErrorFromCode: (code: number) => NamedError =
  require('kafkajs/src/protocol/error').createErrorFromCode;

type ErrorClass = new (message: string, extra: object) => NamedError;
const errors: Record<string, unknown> = require('kafkajs/src/errors');
export const ConnectionError = errors.KafkaJSConnectionError as ErrorClass;
export const ConnectionClosedError = errors.KafkaJSConnectionClosedError as ErrorClass;
export const RequestTimeoutError = errors.KafkaJSRequestTimeoutError as ErrorClass;

/** kafkajs's log, in which nothing is written: how requests end is told where they are made. */
export const MUTE = { namespace: () => MUTE, debug() {}, info() {}, warn() {}, error() {} };

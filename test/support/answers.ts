/** Answers of Kafka, made by hand, for what the live view makes of them. */
import type { Answers } from '../../view/answers';
import type { Written } from '../../view/commits';
import { Model, type News } from '../../view/model';
import type { ClusterAnswer, GroupAnswer, LogAnswer, LogRecord } from '../../view/reader';

export const cluster = (partitions = 1, more: Partial<ClusterAnswer> = {}): ClusterAnswer => ({
  controller: 1,
  brokers: [{ id: 1, host: 'kafka', port: 29092 }],
  topics: [
    {
      topic: 't',
      error: 0,
      internal: false,
      partitions: Array.from({ length: partitions }, (_, id) => ({ id, leader: 1, replicas: [1], isr: [1] })),
    },
  ],
  ...more,
});

export const log = (end: number, records: LogRecord[] = [], more: Partial<LogAnswer> = {}): LogAnswer => ({
  partition: 0,
  error: 0,
  start: 0,
  end,
  stable: end,
  records,
  next: undefined,
  ...more,
});

export const record = (offset: number, value: string | null = `{"n":${offset}}`): LogRecord => ({
  offset,
  timestamp: 1000 * offset,
  key: null,
  value: value === null ? null : Buffer.from(value),
  bytes: Buffer.byteLength(value ?? ''),
});

/** Each member as its id, and the partitions that it has. */
export const group = (
  members: Record<string, number[]>,
  more: Partial<GroupAnswer & { client: string }> = {},
): GroupAnswer => {
  const { client = 'consumer_from_oldest', ...answer } = more;
  return {
    id: 'pair',
    state: 'Stable',
    coordinator: 1,
    members: Object.entries(members).map(([id, partitions]) => ({
      id,
      client,
      host: '10.0.0.1',
      topics: ['t'],
      assignment: Object.fromEntries(partitions.length > 0 ? [['t', partitions]] : []),
    })),
    ...answer,
  };
};

export const committed = (offsets: Record<number, number>, id = 'pair'): Answers['committed'][number] => ({
  group: id,
  coordinator: 1,
  offsets: { t: offsets },
});

export const commit = (partition: number, offset: number, at: number, id = 'pair'): Written => ({
  group: id,
  topic: 't',
  partition,
  offset,
  at,
  isWhole: true,
});

export const sharing = (at: number, id = 'pair'): Written => ({ group: id, at, isWhole: true });

export interface Round extends Omit<Partial<Answers>, 'groups'> {
  groups?: GroupAnswer[];
  unanswered?: ReadonlySet<string>;
}

/** What the model makes of a round; at 0 where no time is given. */
export function round(model: Model, { groups, unanswered = new Set(), ...more }: Round): News {
  return model.apply({
    now: 0,
    silent: new Map(),
    written: [],
    isWrittenReadable: true,
    committed: [],
    logs: [],
    ages: [],
    ...(groups && { groups: { described: groups, unanswered } }),
    ...more,
  });
}

/** A model that has had its first look: from then on, what it tells has happened. */
export function seen(partitions = 1, end = 10): Model {
  const model = new Model('t', 0);
  round(model, { cluster: cluster(partitions), groups: [] });
  round(model, {
    groups: [],
    logs: Array.from({ length: partitions }, (_, partition) => log(end, [], { partition })),
  });
  return model;
}

export const sentences = ({ happenings }: News): string[] => happenings.map(({ text }) => text);

/** The Compose stack under drill: started with settings of the drill's own, broken, put right, and read. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildAndRun, copyProject, inspect, OUR_SERVICES } from '../support/compose';
import { sent } from '../support/log';
import { until } from '../support/service';
import { type Group, handled, judge, type TopicRecord, topicRecords, type Verdict } from './judge';

export const CONSUMERS = ['consumer_from_oldest', 'consumer_from_newest', 'consumer_batch_message'] as const;

export type Consumer = (typeof CONSUMERS)[number];
export type Settings = Record<string, string | number>;

/** All that a service prints: nothing else is ever to be seen. */
const KNOWN =
  /^(Sent: |Received: |Skipped: |Starting at |Resuming at |No partitions assigned$|Broker lost: |Broker back |Buffer full: |Stopped |New producer id )/;
/** Of these there is one for each message; of the others a few, and many would be a flood. */
const FREQUENT = /^(Sent|Received|Skipped): /;
const FLOOD = 60;

const SEND_INTERVAL_MS = 100;
const BROKER = ['--bootstrap-server', 'kafka:29092'];

export async function docker(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('docker', args, { maxBuffer: 2 ** 30 });
  return stdout;
}

export class Lab {
  readonly folder = copyProject();
  topic = '';
  interval = SEND_INTERVAL_MS;
  /** The lines of containers that are gone, by service. */
  private past = new Map<string, string[][]>();
  /** The members that have joined the group of a service, beside it. */
  private extra = new Map<string, Consumer>();

  /** Builds the images, and starts the stack anew. */
  async open(): Promise<void> {
    await this.compose('down', '--volumes', '--remove-orphans');
    const stack = buildAndRun(this.folder, ['-d']);
    const { code } = await stack.exit;
    if (code !== 0) throw new Error(`./buildAndRun.sh ended with exit code ${code}: ${stack.errors.at(-1)}`);
  }

  async close(): Promise<void> {
    await this.reset();
    rmSync(this.folder, { recursive: true });
  }

  compose(...args: string[]): Promise<string> {
    return docker('compose', '--project-directory', this.folder, ...args);
  }

  /** Starts our services on a topic, and in groups, of their own; resolves when all consumers have received. */
  async start(settings: Partial<Record<Consumer | 'kafka-producer' | 'all', Settings>> = {}): Promise<void> {
    this.past.clear();
    this.topic = `drill-${randomBytes(4).toString('hex')}`;
    await this.apply(settings);
    await until('every consumer at work', async () =>
      (await this.groups()).every((group) => handled(group).flat().length > 0),
    );
  }

  /** Gives our services other settings; the topic and the groups stay. */
  async apply(settings: Partial<Record<Consumer | 'kafka-producer' | 'all', Settings>>): Promise<void> {
    this.interval = Number(settings['kafka-producer']?.SEND_INTERVAL_MS ?? SEND_INTERVAL_MS);
    const services = Object.fromEntries(
      OUR_SERVICES.map((service) => [
        service,
        {
          environment: {
            KAFKA_TOPIC: this.topic,
            SEND_INTERVAL_MS: String(SEND_INTERVAL_MS),
            BATCH_WAIT_MS: '1000',
            GROUP_ID: `${this.topic}-${service}`,
            ...strings(settings.all),
            ...strings(settings[service]),
          },
        },
      ]),
    );
    // JSON is YAML; Compose reads this file, by its name, beside docker-compose.yml.
    writeFileSync(join(this.folder, 'docker-compose.override.yml'), JSON.stringify({ services }));
    await this.compose('up', '--detach');
  }

  /** The lines of a service, in all its containers since the drill's start: of each member of its group. */
  async group(service: string): Promise<Group> {
    const names = [service, ...[...this.extra].filter(([, kind]) => kind === service).map(([name]) => name)];
    const present = await Promise.all(names.map((name) => this.lines(name)));
    return [...(this.past.get(service) ?? []), ...present];
  }

  groups(): Promise<Group[]> {
    return Promise.all(CONSUMERS.map((service) => this.group(service)));
  }

  async lines(container: string): Promise<string[]> {
    return (await docker('logs', container)).split('\n').slice(0, -1);
  }

  /** Keeps the lines of a container that is about to be removed. */
  async keep(container: string, service = container): Promise<void> {
    this.past.set(service, [...(this.past.get(service) ?? []), await this.lines(container)]);
  }

  /** One more member for the group of a consumer. */
  async join(service: Consumer, name: string): Promise<void> {
    this.extra.set(name, service);
    await this.compose('run', '--detach', '--no-deps', '--name', name, service);
  }

  /** That member leaves again: it ends with exit code 0. */
  async part(name: string): Promise<void> {
    await docker('stop', '--time', '15', name);
    const code = exitCode(name);
    // Stopped before Node could take the signal, it has not begun: the signal itself ends it.
    const hasBegun = code !== 143 || (await this.lines(name)).length > 0;
    demand(code === 0 || !hasBegun, `${name} ended with exit code ${code}`);
    await this.keep(name, this.extra.get(name));
    this.extra.delete(name);
    await docker('rm', '--volumes', name);
  }

  /** Ends java in the container by SIGKILL: unlike `docker kill`, a fault that the restart policy acts on. */
  async killJava(container: 'kafka' | 'zookeeper'): Promise<void> {
    const { RestartCount } = inspect(container);
    await docker(
      'exec',
      container,
      'bash',
      '-c',
      'for exe in /proc/[0-9]*/exe; do [[ $(readlink $exe) != */java ]] || kill -9 $(cut -d/ -f3 <<<$exe); done',
    );
    await until(`${container} restarted`, () => inspect(container).RestartCount > RestartCount);
  }

  /** Sends a signal to node itself: to the container it would go to init. */
  async signalNode(container: string, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const script = `const { readdirSync, readFileSync } = require('fs');
      const pid = readdirSync('/proc').find((id) => Number(id) && Number(id) !== process.pid
        && readFileSync('/proc/' + id + '/cmdline', 'utf8').startsWith('node\\0'));
      process.kill(Number(pid), '${signal}')`;
    await docker('exec', container, 'node', '-e', script);
  }

  /** Seconds from now until every consumer has received a message that was sent from now on. */
  async recovery(): Promise<number> {
    const start = performance.now();
    const before = (await this.sent()).length;
    const place = await until('a message sent', async () => (await this.sent())[before]);
    await this.allHave([`${place.partition}:${place.offset}`]);
    return (performance.now() - start) / 1000;
  }

  async sent() {
    return sent((await this.group('kafka-producer')).flat());
  }

  async allHave(places: string[]): Promise<void> {
    await until(`${places.join(' and ')} received by all`, async () =>
      (await this.groups()).every((group) => {
        const all = new Set(handled(group).flat());
        return places.every((place) => all.has(place));
      }),
    );
  }

  /**
   * Stops the producer, lets the consumers come to the end, stops them, and holds what all printed against the
   * topic. All must end with exit code 0, leave no member and no lag behind, and have printed nothing strange.
   *
   * @param foreign so many records were written by somebody else
   */
  async finish(foreign = 0, trim: (lines: readonly string[]) => string[] = (lines) => [...lines]) {
    await this.compose('stop', 'kafka-producer');
    const records = await this.topicRecords();
    const ends = new Map(records.map(({ partition, offset }) => [partition, `${partition}:${offset}`]));
    // What does not come is counted as lost.
    await this.allHave([...ends.values()]).catch(() => undefined);
    for (const name of [...this.extra.keys()]) await this.part(name);
    await this.compose('stop', ...CONSUMERS);
    for (const service of OUR_SERVICES)
      demand(exitCode(service) === 0, `${service} ended with exit code ${exitCode(service)}`);
    const groups = await this.groups();
    const producer = (await this.group('kafka-producer')).flat();
    for (const lines of [producer, ...groups.flat()]) checkLines(lines);
    await this.checkGroups();
    const trimmed = groups.map((group) => group.map(trim));
    return { ...judge(records, trim(producer), trimmed, foreign), records };
  }

  /** All that is in the topic, by Kafka's own consumer. */
  async topicRecords(): Promise<TopicRecord[]> {
    const ends = await docker('exec', 'kafka', 'kafka-get-offsets', ...BROKER, '--topic', this.topic);
    const total = ends
      .trim()
      .split('\n')
      .reduce((sum, line) => sum + Number(line.split(':')[2]), 0);
    const properties = ['timestamp', 'partition', 'offset'].flatMap((name) => [
      '--property',
      `print.${name}=true`,
    ]);
    return topicRecords(
      await docker(
        ...['exec', 'kafka', 'kafka-console-consumer', ...BROKER, '--topic', this.topic],
        ...['--group', `${this.topic}-reader`, '--from-beginning', '--max-messages', String(total)],
        ...['--timeout-ms', '20000', ...properties],
      ),
    );
  }

  /** As Kafka's own tool tells it: no member left, nothing left to read. */
  private async checkGroups(): Promise<void> {
    const table = await docker(
      'exec',
      'kafka',
      'kafka-consumer-groups',
      ...BROKER,
      '--describe',
      '--all-groups',
    );
    for (const service of CONSUMERS) {
      const rows = table
        .split('\n')
        .map((line) => line.trim().split(/ +/))
        .filter(([group, topic]) => group === `${this.topic}-${service}` && topic === this.topic);
      demand(rows.length > 0, `the group of ${service} has committed nothing`);
      for (const [, , partition, , , lag, member] of rows) {
        demand(lag === '0', `the group of ${service} has a lag of ${lag} in partition ${partition}`);
        demand(member === '-', `the group of ${service} has a member left: ${member}`);
      }
    }
  }

  /** After a drill that failed: everything runs again, whatever state it was left in. */
  async reset(): Promise<void> {
    for (const name of this.extra.keys()) await docker('rm', '--force', '--volumes', name);
    this.extra.clear();
    await this.compose('down', '--timeout', '5', '--volumes', '--remove-orphans');
  }
}

/** @throws Error of that message, where the condition does not hold */
export function demand(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}

export function exitCode(container: string): number {
  return inspect(container).State.ExitCode;
}

export type Outcome = Verdict & { seconds?: number };

function strings(settings: Settings = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]));
}

function checkLines(lines: readonly string[]): void {
  const strange = lines.find((line) => !KNOWN.test(line) || /\p{Cc}/u.test(line));
  demand(strange === undefined, `a strange line: ${JSON.stringify(strange)}`);
  const others = lines.filter((line) => !FREQUENT.test(line));
  demand(others.length <= FLOOD, `a flood of ${others.length} lines: ${others.slice(-3).join(' / ')}`);
}

/** A Compose stack of its own for the drills: started with settings of a drill's own, broken, put right, and read. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildAndRun, copyProject, isLeftByMistake, OUR_SERVICES, type Stack } from '../../harness/compose';
import { sent } from '../../harness/log';
import { until } from '../../harness/service';
import { type Brokers, SIZES, STACKS } from './brokers';
import {
  type Group,
  handled,
  judge,
  type TopicRecord,
  topicRecords,
  unacknowledged,
  type Verdict,
} from './judge';

export const CONSUMERS = ['consumer_from_oldest', 'consumer_from_newest', 'consumer_batch_message'] as const;

export type Consumer = (typeof CONSUMERS)[number];
export type Settings = Record<string, string | number>;

/** All that a service prints: nothing else is ever to be seen. */
const KNOWN =
  /^(Sent: |Received: |Skipped: |Starting at |Resuming at |No partitions assigned$|Broker lost: |Broker back |Buffer full: |Stopped |Stopping took longer |New producer id |Held up: |Going on after |Topic \S+ made anew: )/;
/** Of these there is one for each message; of the others a few, and many would be a flood. */
const FREQUENT = /^(Sent|Received|Skipped): /;
const FLOOD = 60;

const SEND_INTERVAL_MS = 100;
/** What a lab says to Compose; by this name Compose itself finds it beside docker-compose.yml. */
const OVERRIDE = 'docker-compose.override.yml';
/** How long Kafka's tools wait for its answers: labs side by side have a machine that is busy. */
const PATIENCE_MS = '60000';

export async function docker(
  args: readonly string[],
  settings: Record<string, string> = {},
): Promise<string> {
  return (await streams(args, settings)).stdout;
}

function streams(args: readonly string[], settings: Record<string, string> = {}) {
  const env = { ...process.env, ...settings };
  return promisify(execFile)('docker', args, { env, maxBuffer: 2 ** 30 });
}

/** What our services are told, by service; `all` is for each of them. */
export type AllSettings = Partial<Record<Consumer | 'kafka-producer' | 'all', Settings>>;

/** What else is said to Compose: services, as far as they differ from docker-compose.yml, volumes and networks. */
export interface Changes {
  services: Record<string, object>;
  volumes?: Record<string, object>;
  networks?: Record<string, object>;
}

export class Lab {
  readonly folder = copyProject();
  /** On so many it stands now. */
  size: Brokers = SIZES[0];
  topic = '';
  partitions = 1;
  interval = SEND_INTERVAL_MS;
  /** All that was in the topic when the drill was finished. */
  records: TopicRecord[] = [];
  /** The lines of containers that are gone, by service. */
  private past = new Map<string, string[][]>();
  /** The members that have joined the group of a service, beside it. */
  private extra = new Map<string, Consumer>();
  private readonly project: string;
  private readonly settings: Record<string, string>;

  /** @param number from 1: labs of other numbers run at the same time, each a Compose project with ports of its own */
  constructor(readonly number: number) {
    this.project = `kafka-consumers-demo-lab-${number}`;
    const ports = STACKS[3].brokers.map((broker, index) => [
      `${broker.toUpperCase().replace('-', '_')}_EXTERNAL_PORT`,
      String(19_100 + 10 * number + index),
    ]);
    this.settings = { COMPOSE_PROJECT_NAME: this.project, ...Object.fromEntries(ports) };
    this.configure();
  }

  async close(): Promise<void> {
    await this.reset();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The services that are brokers, in the order of their ids from 1. */
  get brokers(): string[] {
    return STACKS[this.size].brokers;
  }

  brokerOf(id: number | undefined): string {
    const broker = this.brokers[Number(id) - 1];
    demand(broker !== undefined, `no broker has the id ${id}`);
    return broker as string;
  }

  /** Where a program on this machine reaches Kafka. */
  get broker(): string {
    return `localhost:${this.settings.KAFKA_EXTERNAL_PORT}`;
  }

  get network(): string {
    return `${this.project}_default`;
  }

  groupOf(service: string): string {
    return `${this.topic}-${service}`;
  }

  container(service: string): string {
    return `${this.project}-${service}`;
  }

  compose(...args: string[]): Promise<string> {
    const files = [...STACKS[this.size].files, OVERRIDE].flatMap((file) => [
      '--file',
      join(this.folder, file),
    ]);
    return docker(['compose', '--project-directory', this.folder, ...files, ...args], this.settings);
  }

  /** Runs a docker command on the containers of the services. */
  docker(args: string, ...services: string[]): Promise<string> {
    return docker([...args.split(' '), ...services.map((service) => this.container(service))]);
  }

  exec(service: string, ...command: string[]): Promise<string> {
    return docker(['exec', this.container(service), ...command]);
  }

  buildAndRun(): Stack {
    return buildAndRun(this.folder, [], this.settings);
  }

  /** Starts our services on a topic, and in groups, of their own; resolves when all consumers have received. */
  async start(settings: AllSettings = {}, changes?: Changes): Promise<void> {
    this.past.clear();
    this.topic = `drill-${randomBytes(4).toString('hex')}`;
    this.configure(settings, changes);
    await this.compose('up', '--detach');
    for (const service of CONSUMERS)
      await until(`${service} at work`, async () => handled(await this.group(service)).flat().length > 0);
  }

  /** Writes what the next `up` makes of our services; the topic and the groups stay. */
  configure(settings: AllSettings = {}, { services = {}, ...others }: Partial<Changes> = {}): void {
    this.interval = Number(settings['kafka-producer']?.SEND_INTERVAL_MS ?? SEND_INTERVAL_MS);
    this.partitions = Number(settings.all?.TOPIC_PARTITIONS ?? 1);
    const ours = OUR_SERVICES.map((service) => [
      service,
      {
        // The labs share their images: they are built once.
        image: `kafka-consumers-demo-drills-${service}`,
        environment: {
          KAFKA_TOPIC: this.topic,
          SEND_INTERVAL_MS: SEND_INTERVAL_MS,
          BATCH_WAIT_MS: 1000,
          GROUP_ID: this.groupOf(service),
          ...settings.all,
          ...settings[service],
        },
      },
    ]);
    const stack = STACKS[this.size];
    const theirs = [...stack.others, ...stack.brokers].map((service) => [service, {}]);
    const all: Changes['services'] = Object.fromEntries([...theirs, ...ours]);
    for (const service of new Set([...Object.keys(all), ...Object.keys(services)]))
      all[service] = { container_name: this.container(service), ...all[service], ...services[service] };
    // JSON is YAML.
    writeFileSync(join(this.folder, OVERRIDE), JSON.stringify({ services: all, ...others }));
  }

  /** The lines of a service, in all its containers since the drill's start: of each member of its group. */
  async group(service: string): Promise<Group> {
    const present = await Promise.all(this.members(service).map((name) => this.lines(name)));
    return [...(this.past.get(service) ?? []), ...present];
  }

  private members(service: string): string[] {
    return [service, ...[...this.extra].filter(([, kind]) => kind === service).map(([name]) => name)];
  }

  groups(): Promise<Group[]> {
    return Promise.all(CONSUMERS.map((service) => this.group(service)));
  }

  /** What its container has printed, and then what it has complained of. */
  async lines(service: string): Promise<string[]> {
    const { stdout, stderr } = await streams(['logs', this.container(service)]);
    return [stdout, stderr].flatMap((text) => text.split('\n').slice(0, -1));
  }

  /** Keeps the lines of a container that is about to be removed. */
  async keep(name: string, service = name): Promise<void> {
    const lines = await this.lines(name);
    this.past.set(service, [...(this.past.get(service) ?? []), lines]);
  }

  /** One more member for the group of a consumer. */
  async join(service: Consumer, name: string): Promise<void> {
    this.extra.set(name, service);
    await this.compose('run', '--detach', '--no-deps', '--name', this.container(name), service);
  }

  /** That member leaves again: it ends with exit code 0. */
  async part(name: string): Promise<void> {
    await this.docker('stop --time 15', name);
    const code = await this.exitCode(name);
    // Stopped before Node could take the signal, it has not begun: the signal itself ends it.
    const hasBegun = code !== 143 || (await this.lines(name)).length > 0;
    demand(code === 0 || !hasBegun, `${name} ended with exit code ${code}`);
    await this.keep(name, this.extra.get(name));
    this.extra.delete(name);
    await this.docker('rm --volumes', name);
  }

  async exitCode(service: string): Promise<number> {
    return Number(await this.docker('inspect --format {{.State.ExitCode}}', service));
  }

  /** Stops the producer, and waits until the groups have committed all that is there. */
  async rest(): Promise<void> {
    await this.compose('stop', 'kafka-producer');
    for (const service of CONSUMERS)
      await until(`${service} at rest`, async () => {
        const rows = await this.progress(service);
        return rows.length === this.partitions && rows.every(({ lag }) => lag === '0');
      });
  }

  /** Ends all in the containers by SIGKILL, for the restart policy not to act on: they stay away until started. */
  async kill(...services: string[]): Promise<void> {
    await this.docker('kill', ...services);
  }

  /** Waits until the health checks of the services say so. */
  async healthy(...services: string[]): Promise<void> {
    for (const service of services)
      await until(`${service} healthy`, async () =>
        (await this.docker('inspect --format {{.State.Health.Status}}', service)).startsWith('healthy'),
      );
  }

  /** Cuts them off the network. */
  async cutOff(...services: string[]): Promise<void> {
    for (const service of services) await this.docker(`network disconnect ${this.network}`, service);
  }

  async plugIn(...services: string[]): Promise<void> {
    for (const service of services)
      await this.docker(`network connect --alias ${service} ${this.network}`, service);
  }

  /** Does what ends the service from inside, which its restart policy acts on, and waits until it is restarted. */
  async restartedBy(service: 'kafka' | 'zookeeper', fault: () => Promise<unknown>): Promise<void> {
    const restarts = () => this.docker('inspect --format {{.RestartCount}}', service).then(Number);
    const before = await restarts();
    await fault();
    await until(`${service} restarted`, async () => (await restarts()) > before);
  }

  /** Ends java in the container by SIGKILL: unlike `docker kill`, a fault that the restart policy acts on. */
  killJava(service: 'kafka' | 'zookeeper'): Promise<void> {
    const kill =
      'for exe in /proc/[0-9]*/exe; do [[ $(readlink $exe) != */java ]] || kill -9 $(cut -d/ -f3 <<<$exe); done';
    return this.restartedBy(service, () => this.exec(service, 'bash', '-c', kill));
  }

  /** Sends a signal to node itself: to the container it would go to init. */
  async signalNode(service: string, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const script = `const { readdirSync, readFileSync } = require('fs');
      const pid = readdirSync('/proc').find((id) => Number(id) && Number(id) !== process.pid
        && readFileSync('/proc/' + id + '/cmdline', 'utf8').startsWith('node\\0'));
      process.kill(Number(pid), '${signal}')`;
    await this.exec(service, 'node', '-e', script);
  }

  /**
   * Seconds until every consumer has received, of each partition, a message that was sent from now on: by the times
   * that Docker has noted of their lines.
   *
   * @param since when the seconds begin, in ms since 1970
   */
  async recovery(since = Date.now()): Promise<number> {
    const first = await until('a message sent to each partition', async () => {
      const offsets = new Map<number, number>();
      for (const { line } of await this.linesSince('kafka-producer', since))
        for (const { partition, offset } of sent([line]))
          if (!offsets.has(partition)) offsets.set(partition, offset);
      return offsets.size === this.partitions && offsets;
    });
    const times = await Promise.all(CONSUMERS.map((service) => this.timesOf(service, first, since)));
    return Math.max(0, ...times.flat().map((time) => time - since)) / 1000;
  }

  /**
   * Waits until of each partition this offset is handled since then, or a later one, for what was sent late may have
   * been handled before. Gives when each was, in ms since 1970.
   */
  private timesOf(service: string, first: ReadonlyMap<number, number>, since: number): Promise<number[]> {
    return until(`messages received by ${service}`, async () => {
      const times = new Map<number, number>();
      for (const name of this.members(service))
        for (const { time, line } of await this.linesSince(name, since))
          for (const place of handled([[line]]).flat()) {
            const [partition, offset] = place.split(':').map(Number) as [number, number];
            if (offset >= (first.get(partition) as number))
              times.set(partition, Math.min(time, times.get(partition) ?? time));
          }
      return times.size === first.size && [...times.values()];
    });
  }

  /**
   * What its container has printed since then, with the time of each line. Of a busy one, to read all of its lines would
   * take longer than what is measured.
   */
  private async linesSince(service: string, since: number): Promise<{ time: number; line: string }[]> {
    const log = await this.docker(`logs --timestamps --since ${since / 1000}`, service);
    return log
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const end = line.indexOf(' ');
        return { time: Date.parse(line.slice(0, end)), line: line.slice(end + 1) };
      });
  }

  async sent() {
    return sent((await this.group('kafka-producer')).flat());
  }

  private async allHave(places: string[]): Promise<void> {
    for (const service of CONSUMERS)
      await until(`${places.join(' and ')} received by ${service}`, async () => {
        const all = new Set(handled(await this.group(service)).flat());
        return places.every((place) => all.has(place));
      });
  }

  /**
   * Stops the producer, lets the consumers come to the end, stops them, and holds what all printed against the
   * topic. All must end with exit code 0, leave no member and no lag behind, and have printed nothing strange.
   *
   * @param foreign so many records were written by somebody else
   */
  async finish(
    foreign = 0,
    trim: (lines: readonly string[]) => string[] = (lines) => [...lines],
  ): Promise<Verdict> {
    await this.compose('stop', 'kafka-producer');
    this.records = await this.topicRecords();
    const ends = new Map(this.records.map(({ partition, offset }) => [partition, `${partition}:${offset}`]));
    // What does not come is counted as lost.
    await this.allHave([...ends.values()]).catch(() => undefined);
    for (const name of [...this.extra.keys()]) await this.part(name);
    await this.compose('stop', ...CONSUMERS);
    for (const service of OUR_SERVICES) {
      const code = await this.exitCode(service);
      demand(code === 0, `${service} ended with exit code ${code}`);
    }
    const groups = await this.groups();
    const producer = (await this.group('kafka-producer')).flat();
    for (const lines of [producer, ...groups.flat()]) checkLines(lines);
    await this.checkGroups();
    const trimmed = groups.map((group) => group.map(trim));
    return judge(this.records, trim(producer), trimmed, foreign, unacknowledged(producer));
  }

  /** All that is in the topic, by Kafka's own consumer. */
  private async topicRecords(): Promise<TopicRecord[]> {
    const ends = await this.kafka('kafka-get-offsets', '--topic', this.topic);
    const total = ends
      .trim()
      .split('\n')
      .reduce((sum, line) => sum + Number(line.split(':')[2]), 0);
    const properties = ['timestamp', 'partition', 'offset'].flatMap((name) => [
      '--property',
      `print.${name}=true`,
    ]);
    return topicRecords(
      await this.kafka(
        ...['kafka-console-consumer', '--topic', this.topic, '--group', `${this.topic}-reader`],
        ...['--from-beginning', '--max-messages', String(total), '--timeout-ms', PATIENCE_MS, ...properties],
      ),
    );
  }

  /** As Kafka's own tool tells it: no member left, nothing left to read. */
  private async checkGroups(): Promise<void> {
    for (const service of CONSUMERS) {
      const rows = await this.progress(service);
      demand(rows.length > 0, `the group of ${service} has committed nothing`);
      for (const { partition, lag, member } of rows) {
        demand(lag === '0', `the group of ${service} has a lag of ${lag} in partition ${partition}`);
        demand(member === '-', `the group of ${service} has a member left: ${member}`);
      }
    }
  }

  /** How far the group of a consumer is, by partition, as Kafka's own tool tells it. */
  private async progress(service: Consumer) {
    const table = await this.kafka(
      ...['kafka-consumer-groups', '--describe', '--group', this.groupOf(service)],
      ...['--timeout', PATIENCE_MS],
    );
    return table
      .split('\n')
      .map((line) => line.trim().split(/ +/))
      .filter(([, topic]) => topic === this.topic)
      .map(([, , partition, , , lag, member]) => ({ partition, lag, member }));
  }

  /** Runs one of Kafka's own tools, in a broker that runs. */
  async kafka(name: string, ...args: string[]): Promise<string> {
    const { brokers, tool } = STACKS[this.size];
    const running = (await this.compose('ps', '--services', '--status', 'running')).split('\n');
    const broker = brokers.find((one) => running.includes(one)) ?? (brokers[0] as string);
    const bootstrap = brokers.map((one) => `${one}:29092`).join(',');
    return this.exec(broker, tool(name), '--bootstrap-server', bootstrap, ...args);
  }

  /** Writes what all containers have printed to a file: of those that are gone, too. */
  async saveLogs(file: string): Promise<void> {
    const gone = [...this.past].flatMap(([service, all]) =>
      all.map((lines) => [`${service}, gone:`, ...lines]),
    );
    const members = await Promise.all(
      [...this.extra.keys()].map(async (name) => [name, ...(await this.lines(name))]),
    );
    const present = await this.compose('logs', '--timestamps', '--no-color');
    writeFileSync(file, `${[...gone, ...members].flat().join('\n')}\n${present}`);
  }

  /** What its next drill needs: with another number of brokers than now, it starts over. */
  async standOn(size: Brokers): Promise<void> {
    if (size === this.size) return;
    await this.reset();
    this.size = size;
    this.configure();
  }

  private async down(...options: string[]): Promise<void> {
    await this.compose('down', ...options, '--volumes', '--remove-orphans').catch((error) => {
      if (!isLeftByMistake(error)) throw error;
    });
  }

  /** Leaves nothing of the lab behind: its next drill starts on an empty Kafka. */
  async reset(): Promise<void> {
    for (const name of this.extra.keys()) await this.docker('rm --force --volumes', name);
    this.extra.clear();
    await this.down('--timeout', '5');
    // And what a drill had put something else in the place of, or had with other brokers: Compose takes away only what
    // it is told of.
    const { size } = this;
    for (const one of SIZES) {
      this.size = one;
      this.configure();
      await this.down();
    }
    this.size = size;
    this.configure();
  }
}

/** @throws Error of that message, where the condition does not hold */
export function demand(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}

export type Outcome = Verdict & { seconds?: number };

function checkLines(lines: readonly string[]): void {
  const strange = lines.find((line) => !KNOWN.test(line) || /\p{Cc}/u.test(line));
  demand(strange === undefined, `a strange line: ${JSON.stringify(strange)}`);
  const others = lines.filter((line) => !FREQUENT.test(line));
  demand(others.length <= FLOOD, `a flood of ${others.length} lines: ${others.slice(-3).join(' / ')}`);
}

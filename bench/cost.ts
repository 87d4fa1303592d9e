/** What the demo costs: CPU and memory of each process at its own pace, and memory over a long history. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { compiled } from './install';
import { checkCommitted, createHistory, createTopic, figure, start, stop } from './lab';
import type { Cost, History, Lab } from './types';

const SERVICES = {
  'kafka-producer': 'producer/producer',
  consumer_from_oldest: 'consumers/consumer_fromOldest',
  consumer_from_newest: 'consumers/consumer_fromNewest',
  consumer_batch_message: 'consumers/consumer_batchMessage',
};

const TICKS_A_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** One message a second, as in the demo, for ten seconds in each round. */
export async function cost(lab: Lab): Promise<Cost[]> {
  const environment = { KAFKA_BROKERS: lab.broker.brokers, KAFKA_TOPIC: await createTopic(lab) };
  const services = Object.entries(SERVICES).map(([name, entrypoint]) => {
    const child = start(compiled(entrypoint), environment);
    child.stdout?.resume();
    return { name, child, pid: child.pid as number };
  });
  const broker = Object.entries(lab.broker.pids).map(([name, pid]) => ({ name, pid }));
  const processes = [...services, ...broker];
  const rounds: { cpu: number; memory: number }[][] = [];
  // What a start costs is over.
  await sleep(10_000);
  while (rounds.length < lab.rounds) {
    const before = processes.map(({ pid }) => usage(pid));
    const begin = performance.now();
    await sleep(lab.short ? 2000 : 10_000);
    const seconds = (performance.now() - begin) / 1000;
    const round = processes.map(({ pid }, index) => {
      const { cpu, memory } = usage(pid);
      return { cpu: ((cpu - (before[index]?.cpu as number)) / seconds) * 100, memory };
    });
    const sum = (what: 'cpu' | 'memory') =>
      round.slice(0, services.length).reduce((total, one) => total + one[what], 0);
    rounds.push([...round, { cpu: sum('cpu'), memory: sum('memory') }]);
    lab.progress(`cost, round ${rounds.length} of ${lab.rounds}`);
  }
  for (const { child } of services) await stop(child);
  return [...processes.map(({ name }) => name), 'the four services'].map((name, index) => {
    const of = (what: 'cpu' | 'memory') => figure(rounds.map((round) => round[index]?.[what] as number));
    return { process: name, cpu: of('cpu'), memory: of('memory') };
  });
}

/** A history as each kind of consumer replays it, with a heap that is bounded as in its container. */
export async function history(lab: Lab): Promise<History[]> {
  const messages = lab.short ? 100_000 : 10_000_000;
  const topic = await createHistory(lab, messages);
  const rows: History[] = [];
  for (const service of ['consumer_from_oldest', 'consumer_batch_message'] as const) {
    const group = randomUUID();
    const environment = { KAFKA_BROKERS: lab.broker.brokers, KAFKA_TOPIC: topic, GROUP_ID: group };
    const child = start(compiled(SERVICES[service]), { ...environment, BATCH_SIZE: '1000' });
    const memory: number[] = [];
    let begin = 0;
    const done = new Promise<void>((resolve) => {
      createInterface(child.stdout as NodeJS.ReadableStream).on('line', (line) => {
        begin ||= performance.now();
        const last = Number(/, offsets? (?:\d+-)?(\d+), /.exec(line)?.[1] ?? -1);
        if (last >= (messages / 20) * memory.length) memory.push(usage(child.pid as number).memory);
        if (last + 1 === messages) resolve();
      });
    });
    const failed = once(child, 'exit').then(() => Promise.reject(new Error(`${service} has ended`)));
    await Promise.race([done, failed]);
    const seconds = (performance.now() - begin) / 1000;
    memory.push(usage(child.pid as number).memory);
    await stop(child);
    await checkCommitted(lab, group, topic, messages);
    rows.push({ service, messages, seconds, memory });
    lab.progress(`history: ${service} replayed ${messages} messages in ${seconds.toFixed(0)} s`);
  }
  return rows;
}

/** Of a running process: CPU seconds used so far, and resident memory in MB. Linux only. */
export function usage(pid: number): { cpu: number; memory: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    cpu: (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND,
    memory: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1000,
  };
}

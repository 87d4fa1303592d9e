/** A process's life: its lines, its signals, its exit code. Knows nothing of Kafka. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';

/** How long a stop may take, in ms, before the process ends with exit code 1. */
const STOP_DEADLINE_MS = 10_000;

/** A long one comes in pieces: as a whole it would take its size in memory several times. */
export type Line = string | Iterable<string>;

let draining: Promise<void> | undefined;
/** A line in pieces that is under way. */
let printing: Promise<void> | undefined;

/**
 * Prints one line on standard output.
 *
 * @returns what to wait for before further lines, where there may be very many: who reads them is slower than we are,
 * and until they are read they are in memory
 */
export function print(line: Line): Promise<void> | undefined {
  if (printing) return printing.then(() => print(line));
  if (typeof line === 'string') return write(`${line}\n`);
  printing = printPieces(line).finally(() => {
    printing = undefined;
  });
  return printing;
}

async function printPieces(pieces: Iterable<string>): Promise<void> {
  for (const piece of pieces) await write(piece);
  await write('\n');
}

/** @returns what to wait for, where standard output has more than it takes */
function write(text: string): Promise<void> | undefined {
  if (!process.stdout.write(text))
    draining ??= once(process.stdout, 'drain').then(() => {
      draining = undefined;
    });
  return draining;
}

/**
 * Runs a service until SIGTERM or SIGINT, then exits: with 0 after a clean stop, with 1 and one line for
 * each failure otherwise, and at once with 1 on a second signal.
 *
 * @param main works until its signal is aborted; then it ends what is in hand and returns.
 */
export function runService(main: (stopping: AbortSignal) => Promise<void>): void {
  // Whoever read our output has gone (`... | head`): there is nobody left to tell.
  process.stdout.on('error', () => process.exit(1));
  const stop = new AbortController();
  const ended = main(stop.signal).finally(printed);
  ended.then(
    () => process.exit(0),
    (error) => fail(error),
  );
  closeWithGrace(
    {
      delay: STOP_DEADLINE_MS,
      logger: false,
      skip: ['beforeExit'],
      onTimeout: () =>
        fail(`Stopping took longer than ${STOP_DEADLINE_MS / 1000} s: what was not committed comes again`),
      onSecondError: fail,
    },
    async ({ err }) => {
      if (err) fail(err);
      stop.abort();
      await ended;
    },
  );
}

/** Waits until whoever reads the output has it all: the end of the process would take with it what is still on its way. */
async function printed(): Promise<void> {
  // Others may wait behind the one that is under way, long ones among them.
  while (printing) await printing;
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
}

/** Waits, in ms, or until the service is stopped if that comes first. Never throws. */
export async function sleep(ms: number, stopping?: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal: stopping }).catch(() => undefined);
}

/** Resolves once the service is to stop. */
export async function stopped(stopping: AbortSignal): Promise<void> {
  if (!stopping.aborted) await once(stopping, 'abort');
}

/** What the promise gives, or undefined once the service is to stop: a promise that then fails is let go. */
export async function unlessStopped<T>(stopping: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  let onAbort = () => {};
  const stopped = new Promise<undefined>((resolve) => {
    onAbort = () => resolve(undefined);
    stopping.addEventListener('abort', onAbort, { once: true });
    if (stopping.aborted) onAbort();
  });
  try {
    return await Promise.race([promise, stopped]);
  } finally {
    stopping.removeEventListener('abort', onAbort);
    if (stopping.aborted) promise.catch(() => undefined);
  }
}

function fail(error: unknown): never {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
}

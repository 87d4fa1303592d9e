/**
 * Draws a log of the demo: each message from its `Sent` to each of its `Received`. `npm run timeline` draws
 * sample_consumer.log as docs/timeline.svg; the log of your own run is drawn by
 * `docker compose logs --no-color --timestamps | npm run -s timeline -- - > my.svg`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as log from '../harness/log';

/** At most so much of the log is drawn: more would be too dense to read. */
const LONGEST_S = 20;

const PRODUCER = 'kafka-producer';
/** From top to bottom: the producer between those to which lines run aslant, so that these cross no other row. */
const ROWS = [
  ['consumer_batch_message', 'gathers: by size or by wait', '#009e73', '#7fceb9'] as const,
  [PRODUCER, 'sends to the topic', '#444c56', ''] as const,
  ['consumer_from_oldest', 'replays the history', '#0072b2', '#7fb8d8'] as const,
  ['consumer_from_newest', 'skips the history', '#d55e00', '#eaae7f'] as const,
].map(([service, caption, colour, tint], index) => {
  const y = 142 + 96 * index;
  // Words are on the side away from the producer, where no lines come from.
  return { service, caption, colour, tint, y, side: index === 0 ? -1 : 1 };
});
type Row = (typeof ROWS)[number];
type Scale = (time: number) => number;

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, AXIS_Y] = [900, 560, 222, 872, 76, 506];
const [DOT, CAPSULE, WORDS] = [4.5, 8.5, 42];
const [INK, MUTED] = ['#1f2328', '#59636e'];
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";

/** A line of a service. */
interface Event {
  service: string;
  /** In ms, by the producer's clock. */
  at: number;
  /** What was sent or received, each as `partition:offset`; of a start nothing. */
  places: string[];
  /** Of a start, where; of a batch, how it ended. */
  words?: string;
}

/** What a service sent or received in one moment: dots on one another, or else they would hide one another. */
interface Stack {
  x: number;
  dots: { place: string; x: number; y: number }[];
  words?: string;
}

/**
 * @param lines of the log, in the order of time or with Docker's timestamps
 * @returns the SVG, the same for the same lines
 * @throws Error of one line where the log has no message
 */
export function timeline(lines: readonly string[]): string {
  const all = events(log.chronological(lines));
  const messages = all.filter(({ places }) => places.length > 0);
  const first = messages.find(({ service }) => service === PRODUCER) ?? messages[0];
  if (!first)
    throw new Error(
      'The log has 0 messages: a "Sent: …" or "Received: …" of a service is needed; record one with npm run sample',
    );
  const end = all.reduce((latest, { at }) => Math.max(latest, at), first.at);
  const seconds = Math.min(LONGEST_S, Math.floor((end - first.at) / 1000) + 1);
  const x = (at: number) => LEFT + ((at - first.at) / 1000 / seconds) * (RIGHT - LEFT);
  const shown = all.filter(({ at }) => at >= first.at && x(at) < RIGHT);
  const rows = ROWS.map((row) => {
    const own = shown.filter(({ service }) => service === row.service);
    const starts = own.filter(({ places }) => places.length === 0);
    return { ...row, starts, stacks: stacks(own, x, row) };
  });
  const sent = rows.flatMap(({ service, stacks }) => (service === PRODUCER ? stacks : []));
  const origins = new Map(sent.flatMap(({ dots }) => dots.map((dot) => [dot.place, dot])));
  const newest = shown.find(({ words }) => words?.endsWith('(latest)'));

  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title desc" font-family="${FONT}" font-size="12" fill="${MUTED}">`,
    '<title id="title">One topic, three consumers: who receives which message, and when</title>',
    '<desc id="desc">A timeline with a row a service. The oldest consumer receives at its start all that was sent before, then each message as it is sent; the newest only what is sent after its start; the batch consumer several messages at once.</desc>',
    `<rect width="${WIDTH}" height="${HEIGHT}" rx="6" fill="#fff"/>`,
    text(24, 34, 'One topic, three consumers', `font-size="18" font-weight="600" fill="${INK}"`),
    text(24, 55, `The first ${seconds} s of a run. Dot: a message. Line: from its Sent to its Received.`),
    newest ? history(x(newest.at)) : '',
    ...axis(seconds, (second) => x(first.at + second * 1000)),
    ...rows.flatMap(({ service, caption, y }) => [
      text(24, y - 1, service, `font-size="13" font-weight="600" fill="${INK}"`),
      text(24, y + 16, caption),
      `<path d="M${LEFT} ${y}H${RIGHT}" stroke="#d1d9e0"/>`,
    ]),
    // The farthest row first: where two lines lie on one another, the nearer row's ends and the other's goes on.
    ...rows.toReversed().map(({ tint, stacks }) => {
      const ways = stacks.flatMap(({ dots }) =>
        dots.map((dot) => {
          const origin = origins.get(dot.place);
          return origin && origin !== dot ? `M${n(origin.x)} ${n(origin.y)}L${n(dot.x)} ${n(dot.y)}` : '';
        }),
      );
      return ways.some(Boolean) && `<path d="${ways.join('')}" stroke="${tint}" stroke-width="1.2"/>`;
    }),
    ...rows.flatMap((row) => [`<g id="${row.service}">`, ...marks(row, row.starts, row.stacks, x), '</g>']),
    '</svg>\n',
  ]
    .filter(Boolean)
    .join('\n');
}

/** What was sent before the newest consumer began. */
function history(end: number): string {
  const area = `<rect x="${LEFT}" y="${TOP}" width="${n(end - LEFT)}" height="${AXIS_Y - TOP}" fill="#f0f2f5"/>`;
  return area + text(LEFT + 8, AXIS_Y - 10, 'history', 'font-style="italic"');
}

function axis(seconds: number, x: Scale): string[] {
  const ticks = log.range(0, seconds + 1);
  const numbered = ticks.filter((second) => seconds <= 10 || second % 5 === 0);
  return [
    `<path d="M${LEFT} ${AXIS_Y}H${RIGHT}${ticks.map((second) => `M${n(x(second))} ${AXIS_Y}v5`).join('')}" stroke="${MUTED}"/>`,
    ...numbered.map((second) => text(x(second), AXIS_Y + 20, `${second}`, 'text-anchor="middle"')),
    text((LEFT + RIGHT) / 2, AXIS_Y + 40, 'seconds since the first message was sent', 'text-anchor="middle"'),
  ];
}

/** Starts, batches and messages of a row, with words where there is room for them. */
function marks({ colour, y, side }: Row, starts: Event[], stacks: Stack[], x: Scale): string[] {
  const taken: [number, number][] = [];
  const say = (words: string, x: number, anchor: 'start' | 'middle' | 'end') => {
    const width = 5.5 * words.length;
    const from = x - width * { start: 0, middle: 0.5, end: 1 }[anchor];
    if (taken.some(([left, right]) => from < right && from + width > left)) return '';
    taken.push([from, from + width]);
    return text(x, y + WORDS * side, words, `font-size="11" text-anchor="${anchor}"`);
  };
  return [
    ...starts.map(({ at, words = '' }) => {
      const pole = `<path d="M${n(x(at))} ${y - 10 * side}V${y + (WORDS + 8) * side}" stroke="${colour}" stroke-width="2"/>`;
      const room = x(at) - LEFT > 5.5 * words.length;
      return pole + (room ? say(words, x(at) - 6, 'end') : say(words, x(at) + 6, 'start'));
    }),
    ...stacks.map(({ x, dots, words }) => {
      if (!words) return '';
      const half = Math.abs((dots[0]?.y ?? y) - y) + CAPSULE;
      const frame = `<rect x="${n(x - CAPSULE)}" y="${n(y - half)}" width="${2 * CAPSULE}" height="${n(2 * half)}" rx="${CAPSULE}" fill="#fff" stroke="${colour}" stroke-width="1.5"/>`;
      return frame + say(words, x, 'middle');
    }),
    ...stacks.flatMap(({ dots }) =>
      dots.map(({ x, y }) => `<circle cx="${n(x)}" cy="${n(y)}" r="${DOT}" fill="${colour}"/>`),
    ),
  ];
}

/** The oldest message of a stack is farthest from the producer, so that the lines do not cross. */
function stacks(events: readonly Event[], x: Scale, { y, side }: Row): Stack[] {
  const result: Stack[] = [];
  for (const { at, places, words } of events.filter((event) => event.places.length > 0)) {
    const last = result.at(-1);
    const joins = last && !words && x(at) - last.x < 2 * DOT;
    // The batches of several partitions in one moment stand side by side.
    const free = last && words ? Math.min(last.x + 2 * CAPSULE + 2, x(at) + 60, RIGHT) : 0;
    const stack = joins ? last : { x: Math.max(x(at), free), dots: [], words };
    if (!joins) result.push(stack);
    stack.dots.push(...places.map((place) => ({ place, x: joins ? x(at) : stack.x, y })));
  }
  for (const { dots } of result) {
    const step = Math.min(10, 50 / Math.max(1, dots.length - 1));
    for (const [index, dot] of dots.entries()) dot.y += side * ((dots.length - 1) / 2 - index) * step;
  }
  return result;
}

/**
 * The lines bear no time, so it is derived. A message was sent at its `current_time`, and received as much later as
 * it is `old`. A batch is handed over after its newest message, and `waited` after its first has come. A consumer
 * starts between the lines around it whose time is known. And nothing is received before the line above it.
 */
function events(lines: readonly string[]): Event[] {
  const said = lines.flatMap((whole) =>
    ROWS.flatMap(({ service }) => {
      const line = log.lineOf(service, whole) ?? '';
      const [time] = log.timesOf(line);
      const age = log.sent([line]).length ? 0 : log.ageOf(line);
      return line ? [{ service, line, at: time && age !== undefined ? time + age : undefined }] : [];
    }),
  );
  const holes = new Set(log.skipped(said.map(({ line }) => line)));
  const begun = new Map<string, number>();
  const result: Event[] = [];
  let now = said.find(({ at }) => at)?.at ?? 0;
  for (const [index, { service, line, at }] of said.entries()) {
    const [[out], [start], [come]] = [log.sent([line]), log.starts([line]), log.received([line])];
    if (out && at) {
      now = Math.max(now, at);
      result.push({ service, at, places: [`${out.partition}:${out.offset}`] });
    } else if (start) {
      const next = Math.max(now, said.slice(index).find((later) => later.at)?.at ?? now);
      begun.set(`${service} ${start.partition}`, next);
      result.push({ service, at: (now + next) / 2, places: [], words: `${/^.*? \(\w+/.exec(line)?.[0]})` });
    } else if (come) {
      const [oldest = now, ...others] = log.timesOf(line);
      const came = Math.max(oldest, begun.get(`${service} ${come.partition}`) ?? oldest);
      now = Math.max(now, at ?? Math.max(came + (log.waitedOf(line) ?? 0), others.at(-1) ?? oldest));
      const places = log.range(come.first, come.last + 1).map((offset) => `${come.partition}:${offset}`);
      result.push({
        service,
        at: now,
        places: places.filter((place) => !holes.has(place)),
        words: come.ending && line.slice(line.lastIndexOf(', ') + 2, -1),
      });
    }
  }
  return result;
}

function text(x: number, y: number, words: string, attributes = ''): string {
  return `<text x="${n(x)}" y="${n(y)}"${attributes && ' '}${attributes}>${words}</text>`;
}

/** A tenth of a pixel is exact enough. */
function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}

if (require.main === module) {
  const piped = process.argv[2] === '-';
  const file = (...names: string[]) => join(__dirname, ...names);
  try {
    const svg = timeline(readFileSync(piped ? 0 : file('..', 'sample_consumer.log'), 'utf8').split(/\r?\n/));
    if (piped) process.stdout.write(svg);
    else writeFileSync(file('..', 'docs', 'timeline.svg'), svg);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}

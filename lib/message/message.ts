/** The messages of the demo: made, parsed, described. Pure functions. */
import { isUtf8 } from 'node:buffer';
import type { Line } from '../process/service';
import { age } from './age';
import { readString } from './json';

/** A message as it was read from the topic. */
export interface Message {
  /** The value: JSON, as it came. It may hold line breaks and control characters, so it is printed by `describe…`. */
  text: string;
  partition: number;
  offset: number;
  /** The record's timestamp, in ms since 1970: the moment at which the producer ticked. Undefined: it has none. */
  timestamp: number | undefined;
}

/** A record as it is in the topic: of its fields, those that matter here. */
export interface KafkaRecord {
  offset: number;
  /** In ms since 1970; undefined where it has none. */
  timestamp: number | undefined;
  value: Buffer | null;
}

/** A batch lists at most this many messages; of further ones it says how many there are. */
const LISTED = 10;
/** A skipped value is shown up to this many characters. */
const SHOWN = 60;
/** A value of more bytes is no text before it is known to be a message; one of more characters is printed in pieces. */
const LARGE = 65_536;

const TIME = /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/;

/** The value of a new message: the time in the process's own time zone (TZ). */
export function makeValue(time: Date): string {
  const two = (number: number) => String(number).padStart(2, '0');
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return JSON.stringify({ current_time: `${day} ${clock}` });
}

/** The record as a message, or, where its value is none, why not. */
export function parse(partition: number, record: KafkaRecord): Message | { reason: string } {
  if (record.value === null) return { reason: 'no value' };
  if (record.value.length === 0) return { reason: 'empty value' };
  const { value, offset, timestamp } = record;
  let text = value.length > LARGE ? undefined : value.toString();
  const reason = refuse(text ?? value);
  if (reason) return { reason: isUtf8(value) ? reason : 'not UTF-8' };
  text ??= value.toString();
  // A replacement character: either the value's own, or the decoder's mark for what is no UTF-8.
  if (text.includes('\uFFFD') && !isUtf8(value)) return { reason: 'not UTF-8' };
  return { text, partition, offset, timestamp };
}

/** Why the value is no message, where it is UTF-8; undefined: it is one. */
function refuse(value: string | Buffer): string | undefined {
  let time: string | undefined;
  try {
    time = readString(value, 'current_time');
  } catch {
    return 'not JSON';
  }
  if (time === undefined) return 'not a JSON object';
  return TIME.test(time) ? undefined : 'no current_time of the form YYYY-MM-DD HH:MM:SS';
}

export function describeSent(value: string, partition: number, offset: number): string {
  return `Sent: ${value} (partition ${partition}, offset ${offset})`;
}

/** @param reason what the broker calls it, and what to do */
export function describeRefused(value: string, partition: number, reason: string): string {
  return `Refused: ${printable(value)} (partition ${partition}, ${reason})`;
}

/** @param now in ms since 1970, as is the record's timestamp. */
export function describeReceived({ text, partition, offset, timestamp }: Message, now: number): Line {
  const old = timestamp === undefined ? 'age unknown' : `${age(now - timestamp)} old`;
  return line('Received: ', [text], ` (partition ${partition}, offset ${offset}, ${old})`);
}

/**
 * @param ending why the batch ended: `full`, `full at 8 MB`, `waited N ms` or `stopping`.
 * @param now in ms since 1970: the age of the oldest message is what the batch costs in time.
 */
export function describeBatch(messages: readonly Message[], ending: string, now: number): Line {
  const listed = messages.slice(0, LISTED).map(({ text }) => text);
  const more = messages.length > LISTED ? `, … ${messages.length - LISTED} more` : '';
  const count = messages.length === 1 ? '1 message' : `${messages.length} messages`;
  const oldest = messages.reduce(
    (min, { timestamp }) => Math.min(min, timestamp ?? min),
    Number.POSITIVE_INFINITY,
  );
  const old = oldest === Number.POSITIVE_INFINITY ? 'age unknown' : `up to ${age(now - oldest)} old`;
  return line('Received: [', listed, `${more}] (${count}, ${describePlace(messages)}, ${old}, ${ending})`);
}

/** @param texts JSON */
function line(before: string, texts: readonly string[], after: string): Line {
  if (texts.some(({ length }) => length > LARGE)) return pieces(before, texts, after);
  return `${before}${texts.map(printable).join(',')}${after}`;
}

function* pieces(before: string, texts: readonly string[], after: string): Generator<string> {
  let separator = before;
  for (const text of texts) {
    yield separator;
    separator = ',';
    for (let at = 0; at < text.length; ) {
      const end = at + LARGE;
      // Some characters are two of what counts here, and not to be parted.
      const piece = text.slice(at, isFirstHalf(text.charCodeAt(end - 1)) ? end + 1 : end);
      at += piece.length;
      yield printable(piece);
    }
  }
  yield after;
}

function isFirstHalf(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

/** @param messages one or more, of one partition and in order */
export function describePlace(messages: readonly Message[]): string {
  const first = messages[0] as Message;
  const last = messages[messages.length - 1] as Message;
  const offsets = messages.length === 1 ? `offset ${first.offset}` : `offsets ${first.offset}-${last.offset}`;
  return `partition ${first.partition}, ${offsets}`;
}

export function describeSkipped(partition: number, record: KafkaRecord, reason: string): string {
  // Four bytes are the longest character: enough is decoded, and a large value costs no more than a small one.
  const start = record.value?.subarray(0, SHOWN * 4).toString() ?? 'null';
  const shown = [...start].slice(0, SHOWN).join('');
  const cut = shown.length < start.length || (record.value?.length ?? 0) > SHOWN * 4 ? '…' : '';
  return `Skipped: ${escapeControls(shown)}${cut} (partition ${partition}, offset ${record.offset}, ${reason})`;
}

// In valid JSON, tab and line breaks stand between tokens only, and any other control character within a
// string only: so a space for the ones and \uXXXX for the others leave the same JSON, in one line.
function printable(json: string): string {
  return escapeControls(json.replace(/[\t\n\r]+/g, ' '));
}

/** Control characters, and those that turn the direction of writing, as \uXXXX: no value moves the terminal. */
export function escapeControls(value: string): string {
  return value.replace(
    /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

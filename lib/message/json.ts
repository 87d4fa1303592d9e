const [TAB, LINE_FEED, RETURN, SPACE] = [0x09, 0x0a, 0x0d, 0x20];
const [QUOTE, PLUS, COMMA, MINUS, POINT, COLON, BACKSLASH] = [0x22, 0x2b, 0x2c, 0x2d, 0x2e, 0x3a, 0x5c];
const [ZERO, NINE, E, U] = [0x30, 0x39, 0x65, 0x75];
const [BEGIN_ARRAY, END_ARRAY, BEGIN_OBJECT, END_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];
const WORDS = ['true', 'false', 'null'];
const ESCAPED: (number | undefined)[] = [...Buffer.from('"\\/bfnrt')];
/** Makes a letter small. */
const SMALL = 0x20;
/** Longer than any way to write what is looked for, in bytes. */
const LONGEST = 200;

/**
 * The string that a JSON object has under this name, both of ASCII: of several the last one. Empty where it has none, or
 * something else there.
 *
 * @param json bytes are read in no memory to speak of, and a string of more than 200 of them as an empty one
 * @returns undefined where it is no object
 * @throws SyntaxError where it is no JSON
 */
export function readString(json: string | Buffer, name: string): string | undefined {
  if (typeof json !== 'string') return new Reader(json, name).read();
  const parsed: unknown = JSON.parse(json);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
  const { [name]: value } = parsed as Record<string, unknown>;
  return typeof value === 'string' ? value : '';
}

/** Of what 3 bytes say, JSON.parse, which is faster, makes an object of 60: what is large is read without. */
class Reader {
  private at = 0;
  /** How many arrays and objects we are in, and by which byte each of them ends. */
  private depth = 0;
  private ends = new Uint8Array(16);
  /** The next value is the one that is looked for. */
  private isSought = false;
  private found = '';

  constructor(
    private readonly json: Buffer,
    private readonly name: string,
  ) {}

  read(): string | undefined {
    const isObject = this.next() === BEGIN_OBJECT;
    for (;;) {
      // The first of what it holds comes next.
      if (this.begin()) continue;
      while (this.depth > 0 && this.next() === this.ends[this.depth]) {
        this.at++;
        this.depth--;
      }
      if (this.depth === 0) break;
      this.take(COMMA);
      if (this.ends[this.depth] === END_OBJECT) this.takeName();
    }
    if (this.next() !== undefined) this.fail();
    return isObject ? this.found : undefined;
  }

  /** Reads a value; of one that holds others its beginning. @returns whether it does */
  private begin(): boolean {
    const byte = this.next();
    const string = byte === QUOTE ? this.takeString() : '""';
    if (this.isSought) this.found = JSON.parse(string);
    this.isSought = false;
    if (byte === BEGIN_ARRAY) return this.enter(END_ARRAY);
    if (byte === BEGIN_OBJECT) return this.enter(END_OBJECT);
    if (byte === MINUS || isDigit(byte)) this.takeNumber();
    else if (byte !== QUOTE) this.takeWord();
    return false;
  }

  private enter(end: number): boolean {
    this.at++;
    if (this.next() === end) {
      this.at++;
      return false;
    }
    this.depth++;
    if (this.depth === this.ends.length) {
      const { ends } = this;
      this.ends = new Uint8Array(2 * ends.length);
      this.ends.set(ends);
    }
    this.ends[this.depth] = end;
    if (end === END_OBJECT) this.takeName();
    return true;
  }

  private takeName(): void {
    if (this.next() !== QUOTE) this.fail();
    const name = this.takeString();
    if (this.depth === 1) this.isSought = JSON.parse(name) === this.name;
    this.next();
    this.take(COLON);
  }

  /** @returns it as it is written, or an empty one where it is long */
  private takeString(): string {
    const { json } = this;
    const start = this.at;
    for (let byte = json[++this.at]; byte !== QUOTE; byte = json[++this.at]) {
      // The end, or a control character.
      if (byte === undefined || byte < SPACE) this.fail();
      else if (byte === BACKSLASH) this.takeEscape();
    }
    this.at++;
    return this.at - start > LONGEST ? '""' : json.toString('latin1', start, this.at);
  }

  private takeEscape(): void {
    const byte = this.json[++this.at];
    if (byte === U) {
      for (const end = this.at + 4; this.at < end; ) if (!isHex(this.json[++this.at])) this.fail();
    } else if (!ESCAPED.includes(byte)) this.fail();
  }

  private takeNumber(): void {
    this.takeIf(MINUS);
    if (!this.takeIf(ZERO)) this.takeDigits();
    if (this.takeIf(POINT)) this.takeDigits();
    if (((this.json[this.at] as number) | SMALL) === E) {
      this.at++;
      if (!this.takeIf(PLUS)) this.takeIf(MINUS);
      this.takeDigits();
    }
  }

  private takeDigits(): void {
    if (!isDigit(this.json[this.at])) this.fail();
    while (isDigit(this.json[this.at])) this.at++;
  }

  private takeWord(): void {
    const { json, at } = this;
    const word = WORDS.find((one) => json.toString('latin1', at, at + one.length) === one);
    if (!word) this.fail();
    else this.at += word.length;
  }

  private take(byte: number): void {
    if (!this.takeIf(byte)) this.fail();
  }

  private takeIf(byte: number): boolean {
    if (this.json[this.at] !== byte) return false;
    this.at++;
    return true;
  }

  /** Passes over white space. @returns the byte behind it, undefined at the end */
  private next(): number | undefined {
    for (;;) {
      const byte = this.json[this.at];
      if (byte !== SPACE && byte !== LINE_FEED && byte !== RETURN && byte !== TAB) return byte;
      this.at++;
    }
  }

  private fail(): never {
    throw new SyntaxError(`no JSON at byte ${this.at}`);
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

function isHex(byte: number | undefined): boolean {
  const letter = (byte as number) | SMALL;
  return isDigit(byte) || (letter >= 0x61 && letter <= 0x66);
}

import type { Gunzip, ZstdDecompress } from 'minizlib';

/** Inflates at once, within the call: what Node.js has for that hands over later, or all in one piece. */
export class Stepwise {
  private pieces: Buffer[] = [];
  private failure: Error | undefined;

  /** @param stream new, and to be used by nobody else */
  constructor(private readonly stream: Gunzip | ZstdDecompress) {
    stream.on('data', (piece) => this.pieces.push(piece as Buffer));
    stream.on('error', (error) => {
      this.failure ??= error as Error;
    });
  }

  /** @returns what these bytes give; throws where they make no sense, or are the last and not the end */
  push(bytes: Buffer, isLast: boolean): Buffer[] {
    this.stream.write(bytes);
    if (isLast && !this.failure) this.stream.end();
    if (this.failure) throw this.failure;
    const { pieces } = this;
    this.pieces = [];
    return pieces;
  }

  /** Gives its memory back. */
  close(): void {
    this.stream.close();
  }
}

/** The most that is inflated at a time, in bytes: more does not fit in a container of 128 MB. */
export const MOST_BYTES = 16 * 1024 * 1024;
/** The largest record, and answer to a fetch, in bytes: it is in memory as bytes, and as a text of up to twice that size. */
export const LARGEST = 11_000_000;

/** It may be as it was written, and needs more memory than there is. */
export class TooLarge extends Error {
  /** @param bytes what it needs at a time */
  constructor(bytes: number, most = MOST_BYTES) {
    super(`${bytes} bytes of it are needed at once, and ${most} at most have room in the memory`);
  }
}

/** The most that is inflated at a time, and the largest record, in bytes: more does not fit in a container of 128 MB. */
export const MOST_BYTES = 16 * 1024 * 1024;

/** It may be as it was written, and needs more memory than there is. */
export class TooLarge extends Error {
  /** @param bytes what it needs at a time */
  constructor(bytes: number) {
    super(`${bytes} bytes of it are needed at once, and ${MOST_BYTES} at most have room in the memory`);
  }
}

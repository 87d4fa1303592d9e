/** The handler has failed: it ends its service. */
export class HandlerFailed extends Error {}

/**
 * One call of the handler at a time, over all generations of the group. One that fails ends the service: what it had
 * in hand stays there. It is not committed, and nothing comes after it; whoever is started next gets it again.
 *
 * @param where says what the handler was given, for the line that the service ends with
 * @returns the handler so guarded, and a promise that fails once it has
 */
export function guard<A extends unknown[]>(
  handle: (...args: A) => Promise<void>,
  where: (...args: A) => string,
) {
  let fail: (error: Error) => void = () => {};
  const failure = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failure.catch(() => undefined);
  let current: Promise<void> | undefined;
  const call = async (args: A) => {
    try {
      await handle(...args);
      current = undefined;
    } catch (error) {
      fail(
        new HandlerFailed(
          `The handler failed (${where(...args)}): ${error}; what it was given comes again at the next start`,
        ),
      );
      await new Promise<never>(() => {});
    }
  };
  const guarded = (...args: A): Promise<void> => {
    // The one of a generation that is over may still be at work.
    if (current) return current.then(() => guarded(...args));
    current = call(args);
    return current;
  };
  return { guarded, failure };
}

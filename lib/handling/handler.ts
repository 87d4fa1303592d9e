/** The handler has failed: it ends its service. */
export class HandlerFailed extends Error {}

/**
 * One call of the handler at a time, over all generations of the group. One that fails ends the service: what it had
 * in hand stays there. It is not committed, and nothing comes after it; whoever is started next gets it again.
 *
 * @returns the handler so guarded, and a promise that fails once it has
 */
export function guard<A extends unknown[]>(handle: (...args: A) => Promise<void>) {
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
      fail(new HandlerFailed(`The handler failed: ${error}; what is not committed comes again`));
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

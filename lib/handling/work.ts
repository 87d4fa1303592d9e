/** What stands for the work of a handler, say a write to a database. */
import type { Message } from '../message/message';
import { sleep } from '../process/service';

/**
 * Takes HANDLER_DELAY_MS, whether for one message or for many.
 *
 * @throws Error where a message is the one that HANDLER_FAILS_AT names
 */
export async function work(
  { handlerDelayMs, handlerFailsAt }: { handlerDelayMs: number; handlerFailsAt: number | undefined },
  ...messages: Message[]
): Promise<void> {
  if (handlerDelayMs > 0) await sleep(handlerDelayMs);
  if (messages.some(({ offset }) => offset === handlerFailsAt))
    throw new Error(`HANDLER_FAILS_AT is ${handlerFailsAt}`);
}

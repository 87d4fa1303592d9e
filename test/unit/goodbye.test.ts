/** How long a stop waits, and for what. */
import assert from 'node:assert/strict';
import { afterEach, mock, test } from 'node:test';
import { Goodbye } from '../../lib/group/goodbye';
import { sleep } from '../../lib/process/service';
import type { Trouble } from '../../lib/trouble/trouble';

let trouble = { isStanding: false };
afterEach(() => {
  mock.reset();
  // It watches for that until the process ends.
  trouble.isStanding = true;
});

function stop() {
  let now = 0;
  trouble = { isStanding: false };
  mock.method(performance, 'now', () => now);
  const stopping = AbortSignal.abort();
  let hungUp = 0;
  const goodbye = new Goodbye(stopping, trouble as Trouble, () => hungUp++);
  return {
    goodbye,
    passTo(ms: number) {
      now = ms;
    },
    get hungUp() {
      return hungUp;
    },
  };
}

test('a handler that has had all of the time of a stop still has its commit', async () => {
  const { goodbye, passTo } = stop();
  await sleep(1);
  passTo(9800);
  let isCommitted = false;
  await goodbye.lastTry(
    sleep(100).then(() => {
      isCommitted = true;
    }),
  );
  assert.ok(isCommitted);
  assert.ok(!goodbye.givingUp.aborted);
});

test('where there is no answer nothing more is tried, and nothing waited for', async () => {
  const stopped = stop();
  await sleep(1);
  stopped.passTo(9800);
  await stopped.goodbye.lastTry(new Promise(() => {}));
  assert.ok(stopped.goodbye.givingUp.aborted);
  assert.equal(stopped.hungUp, 1);
  await stopped.goodbye.lastTry(new Promise(() => {}));
});

/** The life of a service's process, as whoever reads its output sees it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

test('a service that ends has printed all its lines, however late they are read', async () => {
  const file = join(__dirname, '..', 'support', 'chatty_service.ts');
  const child = spawn(process.execPath, ['-r', './compiled', file]);
  const exit = once(child, 'exit');
  await once(child.stderr, 'data');
  const lines = (await text(child.stdout)).trim().split('\n');
  assert.equal(lines.length, 20_000);
  assert.ok(
    lines.every((line, index) => line.startsWith(`line ${index}`)),
    'in their order',
  );
  assert.ok(lines.at(-1)?.endsWith('.'), 'whole');
  assert.deepEqual(await exit, [0, null]);
});

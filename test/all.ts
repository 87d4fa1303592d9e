/** `npm test`: what needs neither Docker nor a browser, one part after the other, and how long each took. */
import { spawnSync } from 'node:child_process';
import { clock } from '../harness/progress';

const PARTS = ['lint', 'types', 'unit', 'integration'];

const took: string[] = [];
for (const part of PARTS) {
  const begin = performance.now();
  const { status } = spawnSync('npm', ['run', part], { stdio: 'inherit' });
  took.push(`${part} ${clock(performance.now() - begin)}${status === 0 ? '' : ' (FAILED)'}`);
  process.exitCode = status ?? 1;
  if (status !== 0) break;
}
console.log(`Took ${took.join(', ')}; in all ${clock(performance.now())}.`);

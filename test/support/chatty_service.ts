/** A service that prints faster than it is read, and ends. */
import { print, runService } from '../../lib/process/service';

runService(async () => {
  for (let line = 0; line < 20_000; line++) print(`line ${line}`);
  process.stderr.write('printed\n');
});

/** A service that prints faster than it is read, long lines among the others, and ends. */
import { print, runService } from '../../lib/process/service';

runService(async () => {
  for (let line = 0; line < 20_000; line++)
    print(line >= 19_990 ? [`line ${line}`, ' '.repeat(100_000), '.'] : `line ${line}`);
  process.stderr.write('printed\n');
});

/** Fetches Kafka before the tests: two Mavens at once would write the same local repository, and the same folder. */
import { fetchKafka } from './broker';

fetchKafka().catch((error) => {
  console.error((error as Error).message);
  process.exitCode = 1;
});

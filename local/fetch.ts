/** Fetches Kafka before the tests: two Mavens at once would write the same local repository, and the same folder. */
import { archiveClasses } from './archive';
import { fetchKafka } from './java';

async function fetchBoth(): Promise<void> {
  await fetchKafka('kafka-3');
  await fetchKafka('kafka-4');
  await Promise.all([archiveClasses('kafka-3'), archiveClasses('kafka-4')]);
}

fetchBoth().catch((error) => {
  console.error((error as Error).message);
  process.exitCode = 1;
});

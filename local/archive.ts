/**
 * Kafka's classes in the form that java takes over as it is: with them a broker starts with half of the work, which
 * tells where tests start a hundred. What a broker has loaded when it ends is kept beside the jars, once; `java` uses
 * it where it is there (https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html).
 */
import { once } from 'node:events';
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answers, archiveOf, configure, java, type KafkaLine, Keeper, METADATA_REQUEST } from './java';
import { freePort } from './ports';

/** Any: Kafka wants one of so many letters. */
const CLUSTER_ID = 'AAAAAAAAAAAAAAAAAAAAAA';

/** Runs one broker, without ZooKeeper, until it answers. The jars must be there (fetchKafka). */
export async function archiveClasses(line: KafkaLine): Promise<void> {
  const archive = archiveOf(line);
  if (existsSync(archive)) return;
  const folder = mkdtempSync(join(tmpdir(), 'kafka-consumers-demo-'));
  const [port, controller] = [await freePort(), await freePort()];
  const config = configure(join(folder, 'kafka.properties'), {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    'log.dirs': join(folder, 'kafka'),
  });
  const run = (...command: string[]) => java(line, [], command, () => undefined);
  await once(run('kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', config), 'exit');
  // Under its own name once it is whole.
  const half = join(folder, 'classes');
  const kafka = java(line, [`-XX:ArchiveClassesAtExit=${half}`], ['kafka.Kafka', config], () => undefined);
  const gone = once(kafka, 'exit');
  const ready = new Keeper(
    () => kafka,
    () => answers(port, METADATA_REQUEST, '127.0.0.1'),
  );
  await ready.start();
  kafka.kill();
  await gone;
  if (existsSync(half)) renameSync(half, archive);
  rmSync(folder, { recursive: true });
}

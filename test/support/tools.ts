/** Kafka's own command-line tools, from the jars of the broker. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { javaFlags } from '../../local/java';

const CLASSES = {
  'kafka-configs': 'kafka.admin.ConfigCommand',
  'kafka-consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  'kafka-get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
  'kafka-metadata-quorum': 'org.apache.kafka.tools.MetadataQuorumCommand',
};

/** It gives up after 5 s, prints that and no row, and ends with 0: on a machine that is busy, an answer takes longer. */
const PATIENCE: Partial<Record<keyof typeof CLASSES, string[]>> = {
  'kafka-consumer-groups': ['--timeout', '60000'],
};

/** Runs one of them, and gives what it prints. */
export async function kafkaTool(
  name: keyof typeof CLASSES,
  brokers: string,
  ...args: string[]
): Promise<string> {
  const { stdout } = await promisify(execFile)('java', [
    ...javaFlags('kafka-3'),
    CLASSES[name],
    '--bootstrap-server',
    brokers,
    ...(PATIENCE[name] ?? []),
    ...args,
  ]);
  return stdout;
}

/** Kafka's own producer, which sends as many messages as it is told to. */
export async function producerPerformance(...args: string[]): Promise<void> {
  const main = 'org.apache.kafka.tools.ProducerPerformance';
  await promisify(execFile)('java', [...javaFlags('kafka-3'), main, ...args]);
}

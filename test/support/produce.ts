/** Writes a record batch to a topic as it is: what no client would write, the broker may hold all the same. */
import { once } from 'node:events';
import { connect } from 'node:net';

/** Produce (0), version 7, the first that takes Zstandard. See https://kafka.apache.org/protocol#The_Messages_Produce. */
const HEADER = Buffer.from('\0\0\0\x07\0\0\0\0\0\x04test', 'latin1');
/** No transaction, acks of all replicas, 10 s, one topic. */
const SETTINGS = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0x27, 0x10, 0, 0, 0, 1]);

/**
 * To partition 0 of the topic.
 *
 * @throws where the broker does not take it, with the number of Kafka's error
 */
export async function produce(port: number, topic: string, batch: Buffer): Promise<void> {
  const name = Buffer.from(topic);
  const body = Buffer.concat([
    HEADER,
    SETTINGS,
    int16(name.length),
    name,
    int32(1),
    int32(0),
    int32(batch.length),
    batch,
  ]);
  const socket = connect(port, 'localhost');
  socket.write(Buffer.concat([int32(body.length), body]));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  // Size, correlation, the topic by its name, the partition: then the error.
  const error = answer.readInt16BE(4 + 4 + 4 + 2 + name.length + 4 + 4);
  if (error !== 0) throw new Error(`Kafka does not take the record batch: error ${error}`);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/**
 * Asks about groups of Kafka 4's protocol (KIP-848), of which DescribeGroups says that they are dead: kafkajs has no such
 * request. See https://kafka.apache.org/protocol#The_Messages_ConsumerGroupDescribe.
 */
import { Decoder, Encoder, type OwnRequest } from '../lib/client/kafkajs';
import type { GroupAnswer } from './reader';

export type NewGroup = Omit<GroupAnswer, 'coordinator'> & { errorCode: number };

const UUID_SIZE = 16;

/** Version 0: it tells of members of the older protocol, too, which such a group may have. */
export const consumerGroupDescribe: OwnRequest<string[]> = {
  apiName: 'ConsumerGroupDescribe',
  apiKey: 69,
  apiVersion: 0,
  encode: (groupIds) =>
    new Encoder()
      .writeUVarInt(0) // Tagged fields, of which there are none: they end the header, each struct and the whole.
      .writeUVarIntArray(groupIds.map((id) => new Encoder().writeUVarIntString(id)))
      .writeBoolean(false) // What we may do to them is of no interest.
      .writeUVarInt(0),
  decode(payload): NewGroup[] {
    const decoder = new Decoder(payload);
    decoder.readTaggedFields();
    decoder.readInt32(); // The broker has throttled us so long itself.
    return decoder.readUVarIntArray(readGroup) ?? [];
  },
};

function readGroup(decoder: Decoder): NewGroup {
  const errorCode = decoder.readInt16();
  decoder.readUVarIntString(); // The error in words.
  const id = decoder.readUVarIntString() ?? '';
  const state = decoder.readUVarIntString() ?? '';
  decoder.readInt32(); // The epochs of the group and of its assignment, and the assignor.
  decoder.readInt32();
  decoder.readUVarIntString();
  const members = decoder.readUVarIntArray(readMember) ?? [];
  decoder.readInt32();
  decoder.readTaggedFields();
  return { errorCode, id, state, members };
}

function readMember(decoder: Decoder): NewGroup['members'][number] {
  const id = decoder.readUVarIntString() ?? '';
  decoder.readUVarIntString(); // Instance, rack, epoch.
  decoder.readUVarIntString();
  decoder.readInt32();
  const client = decoder.readUVarIntString() ?? '';
  const host = decoder.readUVarIntString() ?? '';
  const topics = decoder.readUVarIntArray((one) => one.readUVarIntString() ?? '') ?? [];
  decoder.readUVarIntString(); // Topics by a pattern: what comes of it is in the assignment.
  const assignment = readAssignment(decoder);
  readAssignment(decoder); // What it is to have in the end.
  decoder.readTaggedFields();
  return { id, client, host: withoutSlash(host), topics, assignment };
}

function readAssignment(decoder: Decoder): Record<string, number[]> {
  const topics = decoder.readUVarIntArray((topic) => {
    topic.forward(UUID_SIZE);
    const name = topic.readUVarIntString() ?? '';
    const partitions = topic.readUVarIntArray((one) => one.readInt32()) ?? [];
    topic.readTaggedFields();
    return [name, partitions] as const;
  });
  decoder.readTaggedFields();
  return Object.fromEntries(topics ?? []);
}

/** Kafka writes the address as Java prints it. */
export function withoutSlash(host: string): string {
  return host.replace(/^\//, '');
}

/** Records that can't be read, today or tomorrow. */
export class UnreadableRecords extends Error {
  /**
   * @param type as Kafka names the error
   * @param offsets one, or from-to
   */
  constructor(
    readonly type:
      | 'CORRUPT_RECORDS'
      | 'RECORD_TOO_LARGE'
      | 'UNSUPPORTED_COMPRESSION_TYPE'
      | 'UNSUPPORTED_FOR_MESSAGE_FORMAT',
    partition: number,
    offsets: number | string,
    what: string,
  ) {
    super(
      `Partition ${partition} can't be read at offset${typeof offsets === 'string' ? 's' : ''} ${offsets}: ${what}`,
    );
  }
}

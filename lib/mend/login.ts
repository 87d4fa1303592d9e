/** How OpenSSL and Node.js name what is wrong with a certificate, or with what should be TLS and is not. */
const TLS_REFUSAL =
  /^(CERT_|DEPTH_ZERO_|ERR_SSL_|ERR_TLS_|ERR_OSSL_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|SELF_SIGNED_|UNABLE_TO_|UNSPECIFIED|EPROTO)/;

/** Whether the code is of an error that says: these two will not talk to each other by TLS. */
export function isTlsRefusal(code: string | undefined): boolean {
  return TLS_REFUSAL.test(code ?? '');
}

/**
 * Mends what kafkajs makes of a broker that does not let a client in:
 * - Whatever breaks off a login, a broker that is stopped or slow, it calls a failed authentication, and gives up for
 *   good. Now the error is the one that the broker or the connection gave, and the next login gets a new connection
 *   (https://github.com/tulios/kafkajs/issues/1550).
 * - A certificate that is refused it takes for a broker that is away, and tries again and again. Now it is said at once.
 * - So it does where a certificate of ours does not go with its key: one of the two files is renewed before the other.
 */
export function mendLogin(): void {
  const authenticator = require('kafkajs/src/broker/saslAuthenticator').prototype;
  const { authenticate } = authenticator;
  authenticator.authenticate = async function (this: Authenticator) {
    let cause: unknown;
    const { connection } = this;
    this.connection = Object.create(connection, {
      send: {
        value: (protocol: unknown) =>
          connection.send(protocol).catch((error) => {
            cause = error;
            throw error;
          }),
      },
    });
    try {
      await authenticate.call(this);
    } catch (error) {
      // On this connection the broker awaits the rest of the login, and takes no other one.
      await connection.disconnect();
      throw cause ?? error;
    }
  };

  const connection = require('kafkajs/src/network/connection').prototype;
  const { connect, rejectRequests } = connection;
  connection.connect = function () {
    return connect.call(this).catch((error: ConnectionError) => {
      // What OpenSSL says of our own files; of the code kafkajs leaves nothing.
      if (/^Failed to connect: error:/.test(error.message)) error.code ??= 'ERR_TLS_OWN_CERTIFICATE';
      if (isTlsRefusal(error.code)) error.retriable = false;
      throw error;
    });
  };
  connection.rejectRequests = function (error: ConnectionError) {
    if (isTlsRefusal(error.code)) error.retriable = false;
    rejectRequests.call(this, error);
  };
}

type ConnectionError = Error & { code?: string; retriable: boolean };

interface Authenticator {
  connection: { send(protocol: unknown): Promise<unknown>; disconnect(): Promise<unknown> };
}

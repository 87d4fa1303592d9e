/** How OpenSSL and Node.js name what is wrong with a certificate, or with what should be TLS and is not. */
const TLS_REFUSAL =
  /^(CERT_|DEPTH_ZERO_|ERR_SSL_|ERR_TLS_|ERR_OSSL_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|SELF_SIGNED_|UNABLE_TO_|EPROTO)/;

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
  const { rejectRequests } = connection;
  connection.rejectRequests = function (error: Error & { code?: string; retriable: boolean }) {
    if (isTlsRefusal(error.code)) error.retriable = false;
    rejectRequests.call(this, error);
  };
}

interface Authenticator {
  connection: { send(protocol: unknown): Promise<unknown>; disconnect(): Promise<unknown> };
}

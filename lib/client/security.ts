import type { KafkaConfig as KafkaJsConfig } from 'kafkajs';
import type { Security, Tls } from '../settings/security';
import { loginWithToken } from './oauth';

export type Secured = Pick<KafkaJsConfig, 'ssl' | 'sasl'>;

/**
 * What kafkajs needs to talk to the brokers as the settings want it. The getters are read for each connection, so that
 * a password or a certificate that was renewed counts from the next one on.
 */
export function secured({ tls, sasl }: Security): Secured {
  if (!sasl) return { ssl: tls && connectionOptions(tls) };
  if (sasl.mechanism === 'OAUTHBEARER')
    return { ssl: tls && connectionOptions(tls), sasl: loginWithToken(sasl) };
  const { mechanism, username, password } = sasl;
  return {
    ssl: tls && connectionOptions(tls),
    sasl: {
      mechanism: mechanism.toLowerCase() as 'plain',
      username,
      get password() {
        return password();
      },
    },
  };
}

/** For `tls.connect`, to which kafkajs adds the name that the broker's certificate must have. */
function connectionOptions({ ca, cert, key, passphrase }: Tls): KafkaJsConfig['ssl'] {
  return {
    get ca() {
      return ca?.();
    },
    get cert() {
      return cert?.();
    },
    get key() {
      return key?.();
    },
    get passphrase() {
      return passphrase?.();
    },
  };
}

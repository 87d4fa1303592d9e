/** SASL OAUTHBEARER (RFC 7628), with tokens for the client's own credentials (RFC 6749, section 4.4). */
import type { AuthenticationProviderArgs, Mechanism } from 'kafkajs';
import type { OAuthLogin } from '../settings/security';

/** kafkajs logs in anew so long before the broker would end the session, in ms: its own 10 s are a short token's life. */
export const LOGIN_AHEAD_MS = 3000;
/** A token is used up to so long before its end, in ms, and no longer than for this part of its life. */
const RENEW_AHEAD_MS = 2 * LOGIN_AHEAD_MS;
const RENEW_PART = 0.8;
/** For the token endpoint to answer, in ms. */
const TIMEOUT_MS = 5000;

/**
 * The login for kafkajs: all connections that it is given to share the tokens. Its own takes the broker's refusal of a token for success, and then sees nothing but closed
 * connections (kafkajs/src/broker/saslAuthenticator/oauthBearer.js does not look at the answer).
 */
export function loginWithToken(login: OAuthLogin): Mechanism {
  const { token } = new Tokens(login);
  return {
    mechanism: login.mechanism,
    authenticationProvider: ({ saslAuthenticate }: AuthenticationProviderArgs) => ({
      async authenticate() {
        const refusal = await saslAuthenticate({
          request: message(`n,,\x01auth=Bearer ${await token()}\x01\x01`),
          response: { decode: (bytes) => bytes, parse: (bytes) => bytes.subarray(SIZE).toString() },
        });
        // The broker says why it refuses the token, and fails once that is acknowledged.
        if (refusal) await saslAuthenticate({ request: message('\x01') });
      },
    }),
  };
}

/** Bytes of the number that kafkajs has before a message, and before its answer. */
const SIZE = 4;

function message(text: string) {
  const bytes = Buffer.alloc(SIZE + Buffer.byteLength(text));
  bytes.writeInt32BE(bytes.length - SIZE);
  bytes.write(text, SIZE);
  return { encode: () => bytes };
}

/** Tokens from the token endpoint: each is used for most of its life, then another is asked for, once for all. */
class Tokens {
  private latest: { value: string; renewAt: number; endsAt: number } | undefined;
  private asking: Promise<string> | undefined;

  constructor(private readonly login: OAuthLogin) {}

  /** @throws Error with code OAUTHBEARER_TOKEN_REFUSED or OAUTHBEARER_TOKEN_UNAVAILABLE */
  readonly token = async (): Promise<string> => {
    if (this.latest && performance.now() < this.latest.renewAt) return this.latest.value;
    this.asking ??= this.ask().finally(() => {
      this.asking = undefined;
    });
    try {
      return await this.asking;
    } catch (error) {
      // The endpoint is away: that matters once the token has ended.
      if (this.latest && performance.now() < this.latest.endsAt) return this.latest.value;
      throw error;
    }
  };

  private async ask(): Promise<string> {
    const { endpoint, clientId, clientSecret, scope } = this.login;
    const asked = performance.now();
    const credentials = [clientId, clientSecret()].map(encodeURIComponent).join(':');
    let response: Response;
    let answer: Answer;
    try {
      response = await fetch(endpoint, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
          accept: 'application/json',
        },
        body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope ? { scope } : {}) }),
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      answer = await response.json().catch(() => ({}));
    } catch (error) {
      const { name, cause } = error as Error & { cause?: NodeJS.ErrnoException };
      const why = name === 'TimeoutError' ? `no answer within ${TIMEOUT_MS / 1000} s` : (cause?.code ?? name);
      throw failure('OAUTHBEARER_TOKEN_UNAVAILABLE', endpoint, `can't be asked for a token (${why})`);
    }
    const { status } = response;
    const value = answer.access_token;
    if (response.ok && typeof value === 'string') {
      const lifeMs = (Number(answer.expires_in) || 0) * 1000;
      const renewAt = asked + Math.min(lifeMs * RENEW_PART, lifeMs - RENEW_AHEAD_MS);
      this.latest = { value, renewAt, endsAt: asked + lifeMs };
      return value;
    }
    // A code of RFC 6749, never more of what it says: that may repeat what it was told.
    const code = /^[\w-]{1,40}$/.exec(String(answer.error))?.[0];
    const isOver = status < 500 && status !== 408 && status !== 429;
    throw failure(
      isOver ? 'OAUTHBEARER_TOKEN_REFUSED' : 'OAUTHBEARER_TOKEN_UNAVAILABLE',
      endpoint,
      `answers ${status}${code ? ` ${code}` : ''}, and no token`,
    );
  }
}

interface Answer {
  access_token?: unknown;
  /** In s. */
  expires_in?: unknown;
  error?: unknown;
}

function failure(code: string, { origin, pathname }: URL, what: string): Error {
  return Object.assign(new Error(`${origin}${pathname} ${what}`), { code });
}

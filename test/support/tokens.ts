/** A token endpoint of the tests' own, whose tokens nobody signs: a broker can be told to take such. */
import { createServer, type Server } from 'node:http';

export interface TokenEndpoint {
  url: string;
  /** How often it was asked for a token, by client. */
  asked: Map<string, number>;
  /** Of its tokens, in s. */
  life: number;
  stop(): void;
}

/** What it knows the client by, whatever the client's id is. */
export const CLIENT_SECRET = 'cl1ent-S3NTINEL%:+';

/** @param user whom its tokens are for */
export async function startTokenEndpoint(port: number, user: string, life: number): Promise<TokenEndpoint> {
  const server: Server = createServer((request, response) => {
    const [scheme, credentials = ''] = request.headers.authorization?.split(' ') ?? [];
    const [id = '', secret = ''] = Buffer.from(credentials, 'base64')
      .toString()
      .split(':')
      .map(decodeURIComponent);
    endpoint.asked.set(id, (endpoint.asked.get(id) ?? 0) + 1);
    let form = '';
    request.on('data', (data) => {
      form += data;
    });
    request.on('end', () => {
      const isGranted =
        scheme === 'Basic' &&
        secret === CLIENT_SECRET &&
        new URLSearchParams(form).get('grant_type') === 'client_credentials';
      const now = Date.now() / 1000;
      const answer = isGranted
        ? {
            access_token: [{ alg: 'none' }, { sub: user, iat: now, exp: now + endpoint.life }, undefined]
              .map((part) => (part ? Buffer.from(JSON.stringify(part)).toString('base64url') : ''))
              .join('.'),
            token_type: 'Bearer',
            expires_in: endpoint.life,
          }
        : // Not of the standard, and so to be repeated by nobody.
          { error: 'invalid_client', error_description: `not ${secret}` };
      response
        .writeHead(isGranted ? 200 : 401, { 'content-type': 'application/json' })
        .end(JSON.stringify(answer));
    });
  });
  const endpoint: TokenEndpoint = {
    url: `http://localhost:${port}/token`,
    asked: new Map(),
    life,
    stop: () => server.close().closeAllConnections(),
  };
  await new Promise<void>((resolve) => server.listen(port, 'localhost', resolve));
  return endpoint;
}

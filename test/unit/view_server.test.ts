/** What the live view answers over HTTP, and to whom; over a real connection, of a source that is made up. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, type OutgoingHttpHeaders, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import { Script } from 'node:vm';
import { until } from '../../harness/service';
import type { Snapshot, Tick } from '../../view/picture';
import { createViewServer, type Source } from '../../view/server';

const picture = { topic: 't', brokers: {}, partitions: {}, groups: {} };
const snapshot: Snapshot = {
  now: 1,
  heard: 1,
  picture,
  topics: ['t'],
  groupsLeftOut: 0,
  messages: { 0: [{ offset: 0, timestamp: 1, value: '</script>', bytes: 9 }] },
  happenings: [],
  past: { since: 0, base: picture, changes: [] },
};
const tick = (change: Tick['change'] = {}): Tick => ({
  now: 2,
  heard: 2,
  change,
  messages: {},
  happenings: [],
});

/** How many streams look at each topic. */
const watchers = new Map<string, number>();
const source: Source = {
  topic: 't',
  watch: (topic) => {
    watchers.set(topic, (watchers.get(topic) ?? 0) + 1);
    return () => watchers.set(topic, (watchers.get(topic) ?? 0) - 1);
  },
  snapshot: (topic) =>
    topic === 'unknown'
      ? undefined
      : topic === 'large'
        ? { ...snapshot, topics: ['x'.repeat(2 ** 25)] }
        : snapshot,
  onTick: () => {},
};

let server: Server;
let port: number;
const open: IncomingMessage[] = [];

before(async () => {
  server = createViewServer(source).listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterEach(async () => {
  for (const response of open.splice(0)) response.destroy();
  await until('no stream', () => [...watchers.values()].every((count) => count === 0));
});
after(() => {
  server.closeAllConnections();
  server.close();
});

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

/** The answer, whole; of a stream, use `stream`. */
async function ask(path: string, method = 'GET', headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  const call = request({ host: '127.0.0.1', port, path, method, headers, agent: false }).end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk;
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

async function stream(path = '/events'): Promise<{ response: IncomingMessage; text: () => string }> {
  const call = request({ host: '127.0.0.1', port, path, agent: false }).end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  open.push(response);
  let text = '';
  response.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  response.on('error', () => {});
  return { response, text: () => text };
}

test('the page and all that it names come from here', async () => {
  const { status, body } = await ask('/');
  assert.equal(status, 200);
  const paths = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path as string);
  assert.ok(paths.length >= 3);
  for (const path of paths) assert.equal((await ask(path)).status, 200, path);
  // It is a script and no module: those that import others do not compile as such.
  assert.ok(new Script((await ask('/page/main.js')).body));
});

test('each answer has a content security policy without exceptions, also a refusal', async () => {
  for (const path of ['/', '/page/main.js', '/api/state', '/nothing', '/events?topic=..']) {
    const { headers } = await ask(path);
    const policy = String(headers['content-security-policy']);
    assert.match(policy, /^default-src 'self'; /, path);
    assert.doesNotMatch(policy, /unsafe|nonce|sha256|\*|http|data:|blob:/, path);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['access-control-allow-origin'], undefined);
  }
});

test('it reads only: any method but GET and HEAD is refused', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
    for (const path of ['/', '/api/state', '/events']) {
      const { status, headers } = await ask(path, method);
      assert.equal(status, 405, `${method} ${path}`);
      assert.equal(headers.allow, 'GET, HEAD');
    }
  }
  const { status, headers, body } = await ask('/', 'HEAD');
  assert.deepEqual([status, body], [200, '']);
  assert.ok(Number(headers['content-length']) > 100);
  assert.equal((await ask('/events', 'HEAD')).status, 200);
});

test('a Host that is not ours is refused, whatever it asks for', async () => {
  for (const host of [
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    'localhost:8080.evil.example',
    '127.0.0.1.evil.example',
    '0.0.0.0:8080',
    '192.168.0.1:8080',
    'localhost@evil.example',
  ])
    for (const path of ['/', '/api/state', '/events'])
      assert.equal((await ask(path, 'GET', { Host: host })).status, 403, `${host} ${path}`);
  for (const host of ['localhost', 'localhost:9999', 'LOCALHOST:1', '127.0.0.1:8080', '[::1]:8080'])
    assert.equal((await ask('/', 'GET', { Host: host })).status, 200, host);
});

test('a request without a Host is refused', async () => {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8');
  socket.write('GET /api/state HTTP/1.0\r\n\r\n');
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  assert.match(answer, /^HTTP\/1\.1 403 /);
});

test('a script of another site is refused; a link from there is not', async () => {
  const from = (mode: string) => ({ 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': mode });
  for (const path of ['/api/state', '/events', '/page/main.js'])
    assert.equal((await ask(path, 'GET', from('no-cors'))).status, 403, path);
  assert.equal((await ask('/', 'GET', from('navigate'))).status, 200);
});

test('no path leads out of the page', async () => {
  for (const path of [
    '/../package.json',
    '/page/../../package.json',
    '/page/%2e%2e/%2e%2e/package.json',
    '/page/main.tsx',
    '/page/',
    '/page/tsconfig.json',
    '//evil.example/',
    '/vendor/../../../etc/passwd',
    '/%00',
    '/constructor',
    '/__proto__',
  ])
    assert.ok([400, 404].includes((await ask(path)).status), path);
});

test('a topic is a legal name, or it is refused', async () => {
  for (const topic of ['', '.', '..', 'a/b', 'ä', '%00', 'x'.repeat(250), '<script>'])
    assert.equal((await ask(`/api/state?topic=${encodeURIComponent(topic)}`)).status, 400, topic);
  assert.equal((await ask('/api/state?topic=unknown')).status, 404);
  assert.equal((await ask('/api/state?topic=A.b_c-1')).status, 200);
});

test('the state is JSON, and no page: what it holds is data', async () => {
  const { headers, body } = await ask('/api/state');
  assert.equal(headers['content-type'], 'application/json; charset=utf-8');
  assert.deepEqual(JSON.parse(body), snapshot);
});

test('a stream begins with the state, and goes on with what changes in its own topic', async () => {
  const [one, other] = [await stream(), await stream('/events?topic=other')];
  await until('the state', () => one.text().endsWith('\n\n') && other.text().endsWith('\n\n'));
  assert.equal(one.text(), `event: state\ndata: ${JSON.stringify(snapshot)}\n\n`);
  source.onTick('other', tick({ x: 1 }));
  source.onTick('t', tick({ y: 'line\nbreak' }));
  await until('the tick', () => one.text().includes('event: tick') && other.text().includes('event: tick'));
  assert.ok(one.text().endsWith(`event: tick\ndata: ${JSON.stringify(tick({ y: 'line\nbreak' }))}\n\n`));
  assert.ok(other.text().endsWith(`event: tick\ndata: ${JSON.stringify(tick({ x: 1 }))}\n\n`));
});

test('twenty pages are served, one more is refused, and let in once another has gone', async () => {
  for (let count = 0; count < 20; count++) await stream();
  assert.equal(watchers.get('t'), 20);
  const refused = await ask('/events');
  assert.equal(refused.status, 503);
  assert.match(refused.body, /20 pages/);
  open.pop()?.destroy();
  await until('a free place', () => watchers.get('t') === 19);
  const { response } = await stream();
  assert.equal(response.statusCode, 200);
});

test('a page that does not read is cut off; one that does is not', async () => {
  const reader = await stream();
  const sleeper = connect(port, '127.0.0.1');
  sleeper.on('error', () => {});
  sleeper.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  sleeper.pause();
  await until('both', () => watchers.get('t') === 2);
  // The kernel takes many MB for it first: as much at once as one that reads may leave unread.
  const change = { much: 'x'.repeat(900_000) };
  await until('the sleeper to be cut off', async () => {
    source.onTick('t', tick(change));
    // One that reads must have the time for it.
    await until('the reader to have it', () => reader.text().endsWith('\n\n'));
    return watchers.get('t') === 1;
  });
  assert.equal(reader.response.destroyed, false);
  sleeper.destroy();
});

test('where open pages leave too much unread, no other is let in until they are gone', async () => {
  const sleeper = connect(port, '127.0.0.1').on('error', () => {});
  sleeper.pause().write('GET /events?topic=large HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until('the sleeper', () => watchers.get('large') === 1);
  const refused = await ask('/events');
  assert.equal(refused.status, 503);
  assert.match(refused.body, /do not read/);
  sleeper.destroy();
  await until('nobody', () => watchers.get('large') === 0);
  assert.equal((await stream()).response.statusCode, 200);
});

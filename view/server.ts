/** The page, and what it is told, over HTTP: for this machine, and for reading only. */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Snapshot, Tick } from './picture';

/** Pages that may be open at a time. */
const MAX_STREAMS = 20;
/**
 * A page that lets so much pile up after its first state, in bytes, does not read: it is cut off, and connects again if
 * it is there. Where all together have so much unread, no other is let in.
 */
const MAX_UNREAD = 2 ** 20;
const MAX_UNREAD_OF_ALL = 2 ** 24;
const MAX_CONNECTIONS = 100;

/** Where the server knows from what to tell. */
export interface Source {
  /** The topic that is shown where none is named. */
  topic: string;
  /** Looks at the topic until the function that it gives is called. */
  watch(topic: string): () => void;
  snapshot(topic: string): Snapshot | undefined;
  onTick: (topic: string, tick: Tick) => void;
}

const HEADERS = {
  // Nothing from elsewhere, nothing inline; the rest has no default.
  'Content-Security-Policy':
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

/** Whoever sends another name has been led here by a name server that lies (DNS rebinding). */
const OUR_NAMES = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i;
const TOPIC = /^(?!\.\.?$)[\w.-]{1,249}$/;

/** Not listening yet. */
export function createViewServer(source: Source): Server {
  const files = readFiles();
  /** The topic that each open page looks at, and how much it may leave unread. */
  const streams = new Map<ServerResponse, { topic: string; limit: number }>();

  source.onTick = (topic, tick) => {
    let message: Buffer | undefined;
    for (const [response, { topic: watched, limit }] of streams) {
      if (watched !== topic) continue;
      // One buffer for all who read it, so that twenty who don't cost no more than one.
      message ??= event('tick', tick);
      if (response.writableLength > limit) response.destroy();
      else response.write(message);
    }
  };

  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    if (!OUR_NAMES.test(request.headers.host ?? ''))
      return refuse(response, 403, 'This is not the name of this page.');
    if (
      request.headers['sec-fetch-site'] === 'cross-site' &&
      request.headers['sec-fetch-mode'] !== 'navigate'
    )
      return refuse(response, 403, 'Other sites have nothing to read here.');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return refuse(response, 405, 'This page is for reading only.');
    }
    const { pathname, searchParams } = address(request);
    const file = files.get(pathname);
    if (file) return send(request, response, file.type, file.body);
    if (pathname !== '/api/state' && pathname !== '/events')
      return refuse(response, 404, 'There is no such page.');
    const topic = searchParams.get('topic') ?? source.topic;
    if (!TOPIC.test(topic)) return refuse(response, 400, 'That is not the name of a topic.');
    if (pathname === '/api/state') return sendState(request, response, topic);
    sendEvents(request, response, topic);
  });
  server.maxConnections = MAX_CONNECTIONS;

  function sendState(request: IncomingMessage, response: ServerResponse, topic: string): void {
    const snapshot = source.snapshot(topic);
    if (!snapshot) refuse(response, 404, 'Nobody looks at this topic: open the page with it first.');
    else send(request, response, 'application/json; charset=utf-8', Buffer.from(JSON.stringify(snapshot)));
  }

  function sendEvents(request: IncomingMessage, response: ServerResponse, topic: string): void {
    if (streams.size >= MAX_STREAMS) {
      refuse(response, 503, `There are ${MAX_STREAMS} pages open already.`);
      return;
    }
    const unread = [...streams.keys()].reduce((sum, { writableLength }) => sum + writableLength, 0);
    if (unread > MAX_UNREAD_OF_ALL) {
      refuse(response, 503, 'The pages that are open do not read what they are told.');
      return;
    }
    response.setHeader('Content-Type', 'text/event-stream');
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    const unwatch = source.watch(topic);
    const state = event('state', source.snapshot(topic));
    streams.set(response, { topic, limit: state.length + MAX_UNREAD });
    response.on('close', () => {
      streams.delete(response);
      unwatch();
    });
    response.on('error', () => response.destroy());
    response.write(state);
  }

  return server;
}

function event(name: string, data: unknown): Buffer {
  return Buffer.from(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}

function address(request: IncomingMessage): URL {
  const nowhere = 'http://localhost/nothing';
  return new URL(URL.canParse(`http://localhost${request.url}`) ? `http://localhost${request.url}` : nowhere);
}

function send(request: IncomingMessage, response: ServerResponse, type: string, body: Buffer): void {
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', body.length);
  response.end(request.method === 'HEAD' ? undefined : body);
}

function refuse(response: ServerResponse, status: number, why: string): void {
  response.statusCode = status;
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.end(`${why}\n`);
}

interface File {
  type: string;
  body: Buffer;
}

const TYPES = {
  'index.html': 'text/html; charset=utf-8',
  'main.js': 'text/javascript; charset=utf-8',
  'style.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
};

/** The page's files, read once: no request names a file. */
function readFiles(): Map<string, File> {
  // As the rest of the code, run from source the page is made here, and in the image it was when that was built.
  const isSource = __filename.endsWith('.ts');
  const made = isSource ? (require('./bundle') as typeof import('./bundle')).bundlePage() : undefined;
  return new Map(
    Object.entries(TYPES).map(([name, type]): [string, File] => [
      name === 'index.html' ? '/' : `/page/${name}`,
      { type, body: made?.get(name) ?? readFileSync(join(__dirname, 'page', name)) },
    ]),
  );
}

// A line to a server on which answers take their time, and requests can be held back: what a browser on
// a mobile network has between itself and the shop. It notes what was asked with which cookie.

import { once } from 'node:events';
import { createServer, request as ask } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** Opens one before `target`, whose answers take `delay` ms longer. */
export async function openSlowLine(target, delay) {
  const line = new SlowLine(new URL(target), delay);
  await line.open();
  return line;
}

class SlowLine {
  #target;
  #delay;
  #server = createServer();
  #held;
  #release;
  #sockets = new Set();
  /** What was asked since `forget`: `{ method, path, cookie, status, cookies }`. */
  exchanges = [];

  constructor(target, delay) {
    this.#target = target;
    this.#delay = delay;
    this.#server.on('request', (request, response) => this.#forward(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#tunnel(request, socket, head));
  }

  async open() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
  }

  async close() {
    this.#server.close();
    this.#server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
  }

  forget() {
    this.exchanges = [];
  }

  /** From now on a request whose query holds `late` waits for `release`. */
  hold() {
    this.#held = new Promise((resolve) => { this.#release = resolve; });
  }

  release() {
    this.#release?.();
  }

  /** The exchanges that `wanted` picks, once there are `count` of them. */
  async seen(count, wanted, what) {
    for (const end = Date.now() + 60_000; Date.now() < end; await sleep(5)) {
      const found = this.exchanges.filter(wanted);
      if (found.length >= count) return found;
    }
    throw new Error(`${what}: not ${count} in a minute`);
  }

  /** Notes a request, and passes it on when it may go. */
  async #passed(request) {
    const exchange = { method: request.method, path: request.url, cookie: request.headers.cookie };
    this.exchanges.push(exchange);
    if (/[?&]late/.test(request.url)) await this.#held;
    const { hostname, port } = this.#target;
    const { method, url: path, headers } = request;
    return [exchange, ask({ hostname, port, method, path, headers })];
  }

  async #forward(request, response) {
    const [exchange, passed] = await this.#passed(request);
    passed.on('error', () => response.destroy());
    response.on('close', () => passed.destroy());
    passed.on('response', async (answer) => {
      note(exchange, answer);
      await sleep(this.#delay);
      response.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(response);
    });
    request.pipe(passed);
  }

  async #tunnel(request, socket, head) {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const [exchange, passed] = await this.#passed(request);
    passed.on('error', () => socket.destroy());
    passed.on('upgrade', async (answer, upstream, first) => {
      note(exchange, answer);
      upstream.on('error', () => socket.destroy());
      await sleep(this.#delay);
      socket.write(`${statusLine(answer)}${fields(answer)}\r\n`);
      socket.write(first);
      upstream.pipe(socket).pipe(upstream);
    });
    passed.on('response', async (answer) => {
      note(exchange, answer);
      await sleep(this.#delay);
      socket.write(`${statusLine(answer)}connection: close\r\n\r\n`);
      socket.end();
    });
    passed.end(head);
  }
}

function note(exchange, answer) {
  exchange.status = answer.statusCode;
  exchange.cookies = answer.headers['set-cookie'] ?? [];
}

function statusLine(answer) {
  return `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n`;
}

function fields({ rawHeaders }) {
  let text = '';
  for (let n = 0; n < rawHeaders.length; n += 2) text += `${rawHeaders[n]}: ${rawHeaders[n + 1]}\r\n`;
  return text;
}

// How fast the machine is while a test runs: the control of tests about time, as testbed::pace is in Rust.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How often the control sends a message over a socket of this process. */
const EVERY_MS = 10;
/** How often what a test waits for changes hands, between processes: a request, its store, the way back. */
const HOPS = 10;

/** Measures from now on; it ends with the process, or with `stop`. */
export async function startPace() {
  const server = createServer((socket) => socket.unref().on('error', () => {}).pipe(socket)).unref();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const socket = connect(server.address().port, '127.0.0.1').on('error', () => {}).setNoDelay().unref();
  await once(socket, 'connect');
  let worst = 0;
  let sent = performance.now();
  let due;
  const send = () => {
    sent = performance.now();
    due = setTimeout(() => socket.write('x'), EVERY_MS).unref();
  };
  socket.on('data', () => {
    worst = Math.max(worst, performance.now() - sent - EVERY_MS);
    send();
  });
  send();
  const begin = performance.now();
  return {
    /** How long it took until now. */
    took: () => performance.now() - begin,
    /** What a bound is on this machine at present: what the control's longest message shows is added. */
    async allows(bound) {
      await sleep(2 * EVERY_MS);
      return bound + HOPS * Math.max(worst, performance.now() - sent - EVERY_MS);
    },
    stop() {
      clearTimeout(due);
      socket.destroy();
      server.close();
    },
  };
}

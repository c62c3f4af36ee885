// nginx before two processes, either of which can be taken out of service.

import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

import { freePort, temporary } from './support.mjs'

const PROGRAM = '/usr/sbin/nginx'
export const SIDES = ['first', 'second']

/**
 * Starts nginx before `ports`, two of them; `retry` is the value of `proxy_next_upstream`.
 *
 * `drain(side)` keeps new requests from one process, so that it has none when its end closes the
 * connections that nginx keeps to it: a POST sent on one just then is lost, and nginx cannot know.
 * A file says so, which nginx looks for at each request. A reload would do as well, but closes the
 * idle connections of clients, who may be about to use them.
 */
export async function startNginx (ports, retry) {
  const folder = temporary()
  const port = await freePort()
  mkdirSync(join(folder.path, 'tmp'))
  // Its workers are not root, and look for the files.
  chmodSync(folder.path, 0o755)
  const config = join(folder.path, 'nginx.conf')
  writeFileSync(config, configuration(folder.path, port, ports, retry))
  const child = spawn(PROGRAM, ['-c', config, '-p', folder.path, '-e', join(folder.path, 'error.log')],
    { stdio: ['ignore', 'inherit', 'inherit'] })
  const ended = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  await answers(url, child)
  const flag = side => join(folder.path, `drain-${side}`)
  return {
    url,
    drain: side => writeFileSync(flag(side), ''),
    serve: side => rmSync(flag(side)),
    stop: async () => {
      child.kill('SIGQUIT')
      await ended
      folder.remove()
    }
  }
}

function configuration (folder, port, [first, second], retry) {
  const temporaries = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `  ${name}_temp_path ${folder}/tmp/${name};`).join('\n')
  const group = (name, servers) =>
    `  upstream ${name} { ${servers.map(server => `server 127.0.0.1:${server};`).join(' ')} keepalive 32; }`
  return `
daemon off;
worker_processes 2;
pid ${folder}/nginx.pid;
events { worker_connections 512; }
http {
  access_log off;
${temporaries}
${group('both', [first, second])}
${group(SIDES[0], [first])}
${group(SIDES[1], [second])}
  server {
    listen 127.0.0.1:${port};
    keepalive_requests 1000000;
    location / {
      set $to both;
      if (-f ${folder}/drain-first) { set $to second; }
      if (-f ${folder}/drain-second) { set $to first; }
      proxy_pass http://$to;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      # Never non_idempotent: a step of the counter that was sent may have been made.
      proxy_next_upstream ${retry};
    }
  }
}
`
}

async function answers (url, child) {
  for (let attempt = 0; attempt < 200 && child.exitCode === null; attempt++) {
    if (await fetch(url).then(() => true, () => false)) return
    await sleep(25)
  }
  throw new Error(`${PROGRAM} does not answer`)
}

// Stands right before Next: writes down each request that would reach it, and answers WebSockets
// itself, since Next in production has none.

import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'

import { WebSocketServer } from 'ws'

export async function startRecorder (port) {
  const requests = []
  const note = ({ method, url, headers, rawHeaders }) => requests.push({ method, url, headers, rawHeaders })
  const server = createServer((request, response) => {
    note(request)
    pass(request, response, port)
  })
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    note(request)
    sockets.handleUpgrade(request, socket, head, connection => {
      connection.send(`hello ${request.headers['x-session-user']}`)
      connection.on('message', data => connection.send(data.toString()))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    forget: () => { requests.length = 0 },
    stop: async () => {
      for (const connection of sockets.clients) connection.terminate()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }
}

function pass (request, response, port) {
  const { method, url: path, rawHeaders: headers } = request
  const onward = httpRequest({ host: '127.0.0.1', port, method, path, headers }, answer => {
    response.writeHead(answer.statusCode, answer.rawHeaders)
    answer.pipe(response)
  })
  onward.once('error', () => response.destroy())
  request.pipe(onward)
}

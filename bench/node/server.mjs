// A whole Express server with the session middleware of one contender: `node server.mjs NAME [URL]`.

import { CONTENDERS, PROFILE, require } from './contenders.mjs'

const express = require('express')

const [name, url] = process.argv.slice(2)
const middleware = await CONTENDERS[name](url)
const app = express()
const text = (res, body) => res.type('text').send(body)

/** How much CPU the process has had, in microseconds, all its threads. */
app.get('/cpu', (req, res) => {
  const { user, system } = process.cpuUsage()
  text(res, String(user + system))
})
if (middleware !== undefined) app.use(middleware)
app.get('/anonymous', (req, res) => text(res, 'anon'))
app.get('/read', (req, res) => text(res, req.session?.userId ?? 'ada'))
app.post('/change', (req, res) => {
  if (req.session === undefined) return text(res, '1')
  req.session.n = (req.session.n ?? 0) + 1
  text(res, String(req.session.n))
})
app.post('/login', (req, res) => {
  Object.assign(req.session ?? {}, { userId: 'ada', n: 0, profile: PROFILE })
  text(res, 'in')
})
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port))

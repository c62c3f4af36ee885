// An Express application beside a service in Rust, `main.rs`: the same users, the same sessions, the same routes.
//
//   SESSION_SECRET='at least 32 bytes, the same for both' node express.mjs

import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'

// In earnest: the table of users that both sides have, with hashes.
const USERS = new Map([
  ['ada', { password: 'analytical-engine', roles: ['admin'] }],
  ['grace', { password: 'nanoseconds', roles: [] }]
])

const { REDIS_URL = 'redis://127.0.0.1:6379', PORT = '3000', SESSION_SECRET } = process.env
const client = await createClient({ url: REDIS_URL }).connect()
const app = express()

app.use(session({
  store: new RedisStore({ client }),
  secret: SESSION_SECRET,
  resave: false, // or every request here takes back what one in Rust has changed meanwhile
  saveUninitialized: false,
  cookie: { sameSite: 'lax', secure: 'auto' }
}))
app.use(express.urlencoded({ extended: false }))

app.post('/login', (request, response, next) => {
  const { username, password } = request.body
  const user = USERS.get(username)
  if (user?.password !== password) return response.sendStatus(401)
  request.session.regenerate(error => {
    if (error) return next(error)
    request.session.userId = username
    request.session.roles = user.roles
    // Stored first: a client that goes on to Rust at once finds it.
    request.session.save(error => error ? next(error) : response.json({ user: username }))
  })
})

app.post('/logout', (request, response, next) => {
  request.session.destroy(error => {
    if (error) return next(error)
    response.clearCookie('connect.sid').sendStatus(204)
  })
})

app.get('/me', (request, response) => {
  const { userId = null, count = 0 } = request.session
  response.json({ user: userId, count })
})

app.post('/count', needs(session => session.userId, 401), (request, response) => {
  request.session.count = (request.session.count ?? 0) + 1
  response.json({ count: request.session.count })
})

app.get('/admin',
  needs(session => session.userId, 401),
  needs(session => session.roles?.includes('admin'), 403),
  (request, response) => response.json({ admin: request.session.userId }))

function needs (condition, status) {
  return (request, response, next) => condition(request.session) ? next() : response.sendStatus(status)
}

const server = app.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`)
})

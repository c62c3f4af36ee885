// An application with the types that it had with express-session, and what it has beside them now. `tsc --strict` takes it.

import express from 'express'
import session from 'cloakroom'

declare module 'express-session' {
  interface SessionData {
    views: number
    userId: string
  }
}

const app = express()
app.use(session({ secret: 'keyboard cat', resave: false, saveUninitialized: false, cookie: { maxAge: 60_000 } }))
app.use(session({ secret: ['a', 'b'], store: 'redis://127.0.0.1', strict: true, absoluteTimeout: 1 }))
app.use(session({ secret: 'a', store: new session.MemoryStore() }))

app.use(session.csrf({ allowOrigins: 'https://pay.example' }))
app.use('/account', session.requireLogin({ loginAt: '/login', fresh: 60_000 }))
app.use('/admin', session.requireRole(['admin', 'editor'], { rolesOf: async user => [user], when: req => req.session.views }))
app.use('/own', session.requireLogin({ refused: (req, res, next, { status, reason }) => { res.status(status).send(reason) } }))
app.get('/form', (req, res) => { res.send(req.csrfToken() + (session.safeNext(req.query.next) ?? '/')) })
// @ts-expect-error: a role is a text
session.requireRole(1)

app.get('/', async (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  req.session.save(error => { if (error) throw error })
  await req.session.save()
  req.session.regenerate(() => {})
  await req.session.regenerate()
  const views: number = await req.session.update('views', n => (n ?? 0) + 1)
  await req.session.login('ada')
  const [device] = await req.session.devices()
  const ended: number = await req.session.endOthers()
  // @ts-expect-error: there is no such key
  req.session.nothing = 1
  // @ts-expect-error: a session is not stored by a number
  req.session.save(1)
  const count: number = await session({ secret: 'a' }).endSessionsOf('ada')
  res.json({ count, views, name: device?.name, ended, id: req.sessionID, ends: req.session.cookie.expires })
})

export async function job () {
  const sessions = session.manager('redis://127.0.0.1', { prefix: 'sess:' })
  const one = await sessions.open('id')
  if (one === null) return session.manager(new session.MemoryStore()).end('id')
  one.data.views = 1
  // @ts-expect-error: views are a number
  one.data.views = 'many'
  await one.save()
  const user: string | null = one.user
  for (const other of await sessions.sessionsOf(user ?? '')) await other.update<number>('views', n => (n ?? 0) + 1)
  return (await sessions.setRolesOf('ada', ['admin'])) + (await sessions.endSessionsOf('ada'))
}

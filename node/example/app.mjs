// The shop: what Express serves, and what its sockets tell.

import { fileURLToPath } from 'node:url'

import express from 'express'
import { rateLimit } from 'express-rate-limit'
import { Server } from 'socket.io'

// In an application of yours: from 'cloakroom'.
import session, { csrf, manager, requireLogin, requireRole, safeNext } from '../index.mjs'
import { names, signIn } from './accounts.mjs'
import { count, goods, MOST } from './goods.mjs'
import * as pages from './pages.mjs'

const TEN_MINUTES = 10 * 60 * 1000
const HEADERS = {
  'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; " +
    "base-uri 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin',
  'Cache-Control': 'no-store'
}

/** What every page knows of its visitor; the flash is told once. */
function shopOf (req) {
  const { session } = req
  const flash = session?.flash ?? []
  if (session && flash.length > 0) delete session.flash
  // A token draws a secret, and a session with it: whoever has none yet sends forms from a browser that says where it is.
  const hasSession = session && Object.keys(session).length > 1
  return {
    user: session?.userId,
    isAdmin: session?.roles?.includes('admin'),
    cart: session?.cart,
    flash,
    token: hasSession ? req.csrfToken() : undefined
  }
}

function flash (req, text) {
  req.session.flash = [...(req.session.flash ?? []), text]
}

/** Makes the shop on a store: an Express application, and what gives a server its sockets. */
export function shop ({ store, secret }) {
  const app = express()
  const sessions = session({ store, secret, strict: true, cookie: { secure: 'auto' } })
  const jobs = manager(store)
  const guard = csrf()
  const signedIn = requireLogin({ loginAt: '/login' })
  const staff = requireRole('admin', { loginAt: '/login' })
  // A form has no page to come back to: the cart is.
  const justSignedIn = requireLogin({
    fresh: TEN_MINUTES,
    refused (req, res, next, { reason }) {
      flash(req, reason === 'stepUp' ? 'Please sign in once more to order.' : 'Please sign in to order.')
      res.redirect(303, `/login?next=/cart${reason === 'stepUp' ? '&again=1' : ''}`)
    }
  })
  const attempts = rateLimit({ windowMs: TEN_MINUTES, limit: 20, skipSuccessfulRequests: true })
  let sockets

  app.disable('x-powered-by')
  app.use((req, res, next) => { res.set(HEADERS); next() })
  app.use(express.static(fileURLToPath(new URL('public', import.meta.url)), { index: false }))
  app.use(sessions, express.urlencoded({ extended: false, limit: '10kb' }), guard)

  app.get('/', (req, res) => res.send(pages.shelf(shopOf(req))))
  app.get('/cart', (req, res) => res.send(pages.cart(shopOf(req))))

  app.post('/cart', async (req, res) => {
    const { sku } = req.body ?? {}
    if (!Object.hasOwn(goods, sku ?? '')) return res.status(404).send(pages.failure(shopOf(req), 'Not on the rack', 'We do not have that.'))
    // Two tabs may add at once: neither takes from the other.
    const cart = await req.session.update('cart', cart => ({ ...cart, [sku]: Math.min((cart?.[sku] ?? 0) + 1, MOST) }))
    flash(req, `${goods[sku].name} is in your cart.`)
    sockets?.to(req.session.id).emit('cart', count(cart))
    res.redirect(303, '/')
  })

  app.post('/cart/remove', async (req, res) => {
    const cart = await req.session.update('cart', cart => {
      const { [req.body?.sku]: gone, ...rest } = cart ?? {}
      return rest
    })
    sockets?.to(req.session.id).emit('cart', count(cart))
    res.redirect(303, '/cart')
  })

  app.post('/order', justSignedIn, async (req, res) => {
    delete req.session.cart
    flash(req, 'Thank you. Nothing was sold.')
    sockets?.to(req.session.id).emit('cart', 0)
    res.redirect(303, '/cart')
  })

  app.get('/login', (req, res) => {
    const { next, again } = req.query
    res.send(pages.login(shopOf(req), { next: safeNext(next), again, name: req.session.userId }))
  })

  app.post('/login', attempts, async (req, res) => {
    const { name, password, next } = req.body ?? {}
    const account = await signIn(name, password)
    if (account === undefined) {
      return res.status(401).send(pages.login(shopOf(req), { next: safeNext(next), name, isWrong: true }))
    }
    await req.session.login(account.name)
    req.session.roles = account.roles
    flash(req, `Welcome, ${account.name}.`)
    // The answer leaves once the session is stored: whoever follows it is signed in.
    res.redirect(303, safeNext(next) ?? '/')
  })

  app.post('/logout', async (req, res) => {
    await req.session.logout()
    res.redirect(303, '/')
  })

  app.get('/account', signedIn, async (req, res) => {
    res.send(pages.account(shopOf(req), await req.session.devices()))
  })

  app.post('/account/end', signedIn, async (req, res) => {
    const isEnded = await req.session.endDevice(String(req.body?.handle))
    flash(req, isEnded ? 'It is signed out.' : 'It was signed out already.')
    res.redirect(303, '/account')
  })

  app.post('/account/end-others', signedIn, async (req, res) => {
    flash(req, `Signed out elsewhere: ${await req.session.endOthers()}.`)
    res.redirect(303, '/account')
  })

  app.get('/admin', staff, async (req, res) => {
    const users = names.map(async name => ({ name, sessions: (await jobs.sessionsOf(name)).length }))
    res.send(pages.admin(shopOf(req), await Promise.all(users)))
  })

  app.post('/admin/end', staff, async (req, res) => {
    const { name } = req.body ?? {}
    const count = await jobs.endSessionsOf(name)
    if (name !== req.session.userId) flash(req, `${count} of ${name}'s sessions ended.`)
    res.redirect(303, '/admin')
  })

  app.use((req, res) => res.status(404).send(pages.failure(shopOf(req), 'There is nothing here', 'The address may be mistyped.')))

  app.use((error, req, res, next) => {
    if (res.headersSent) return next(error)
    const status = error.status ?? 500
    if (status >= 500) console.error(error.message)
    res.status(status).send(pages.failure({ flash: [] }, 'That did not work', status === 503 ? 'Please try again in a moment.' : 'The error has been noted.'))
  })

  /** Gives a server sockets: every page hears of its session's cart, and of its end. */
  function listen (server) {
    sockets = new Server(server, { allowRequest: (req, done) => done(null, guard.allowsSocket(req)) })
    sockets.engine.use(sessions)
    sockets.on('connection', socket => {
      const { session } = socket.request
      if (!session || Object.keys(session).length === 1) return
      socket.join(session.id)
      // The cart may have changed since the page was made, before the socket was there to be told.
      session.reload().then(() => socket.emit('cart', count(socket.request.session.cart)), () => {})
      session.ended().then(() => {
        socket.emit('ended')
        socket.disconnect()
      }, () => socket.disconnect())
    })
    return sockets
  }

  return { app, listen }
}

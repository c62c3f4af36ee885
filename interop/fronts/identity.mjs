// An OpenID provider, as a process of its own: npm's oidc-provider, which is certified, with its own pages.
//
// `POST /control` has it do once what a provider should not, for the tests: `{ "nonce": "…" }` puts another nonce
// into the next ID token, `{ "logout": true }` sends the logout token of a login before the answer to its code,
// `{ "careless": true }` asks for no password where the shop wants it to.
// `GET /control` says how often which backchannel logout was sent.

import { createPrivateKey } from 'node:crypto'

import { decodeJwt, SignJWT } from 'jose'
import Provider from 'oidc-provider'

const [port, app, key] = process.argv.slice(2)
const issuer = `http://localhost:${port}`
const jwk = JSON.parse(key)
const once = {}
const sent = { ok: 0, failed: 0 }

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'shop',
    client_secret: 'a secret between the provider and the shop',
    redirect_uris: [`${app}/callback`],
    post_logout_redirect_uris: [`${app}/`],
    backchannel_logout_uri: `${app}/backchannel-logout`,
    backchannel_logout_session_required: true
  }],
  jwks: { keys: [jwk] },
  cookies: { keys: ['the cookies of the provider'] },
  features: { backchannelLogout: { enabled: true } },
  pkce: { required: () => true },
  // Its own refuses addresses of this machine.
  fetch: (url, { signal, method, headers, body }) => fetch(url, { signal, method, headers, body }),
  findAccount: (context, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  // One page less: the shop is the provider's own.
  loadExistingGrant: async context => {
    const { client, session } = context.oidc
    const known = session.grantIdFor(client.clientId)
    const grant = (known && await provider.Grant.find(known)) ??
      new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
    grant.addOIDCScope('openid')
    await grant.save()
    return grant
  }
})

provider.on('backchannel.success', () => { sent.ok++ })
provider.on('backchannel.error', (context, error) => { sent.failed++; console.error(error.message) })

provider.use(async (context, next) => {
  if (context.path === '/control') return control(context)
  if (once.careless && context.path === '/auth') neglect(context)
  await next()
  if (context.path === '/token' && context.body?.id_token !== undefined) await tamper(context)
})

async function control (context) {
  if (context.method === 'POST') {
    let text = ''
    for await (const part of context.req) text += part
    Object.assign(once, JSON.parse(text))
  }
  context.body = sent
}

function neglect (context) {
  delete once.careless
  const { prompt, max_age: age, ...others } = context.query
  context.query = others
}

async function tamper (context) {
  const { nonce, logout } = once
  delete once.nonce
  delete once.logout
  const claims = decodeJwt(context.body.id_token)
  if (nonce !== undefined) {
    const token = new SignJWT({ ...claims, nonce }).setProtectedHeader({ alg: jwk.alg, kid: jwk.kid })
    context.body = { ...context.body, id_token: await token.sign(createPrivateKey({ key: jwk, format: 'jwk' })) }
  }
  if (logout) await (await provider.Client.find('shop')).backchannelLogout(claims.sub, claims.sid)
}

// `::1` as well, which is what some resolvers make of the name.
provider.listen(port, 'localhost', () => console.log(`listening on ${issuer}`))

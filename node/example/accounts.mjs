// Who may sign in. A shop of yours asks its database.

import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const hash = promisify(scrypt)

/** The accounts of the example, whose passwords stand on the login's page. */
const OPEN = { ada: { password: 'analytical-engine', roles: ['admin'] }, grace: { password: 'nanosecond', roles: [] } }

const accounts = new Map(await Promise.all(Object.entries(OPEN).map(async ([name, { password, roles }]) => {
  const salt = randomBytes(16)
  return [name, { name, roles, salt, key: await hash(password, salt, 64) }]
})))
/** What an unknown name is compared with, so that it takes as long as a known one. */
const nobody = { salt: randomBytes(16), key: randomBytes(64) }

export const names = [...accounts.keys()]

/** Returns the account of a name and its password, `undefined` where there is none. */
export async function signIn (name, password) {
  if (typeof name !== 'string' || typeof password !== 'string') return undefined
  const account = accounts.get(name)
  const { salt, key } = account ?? nobody
  const shown = await hash(password, salt, 64)
  return timingSafeEqual(shown, key) ? account : undefined
}

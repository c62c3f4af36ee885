// Whose sessions the lab has: express-session's, or those of the package in node/, built by `cargo xtask node`.

import { createRequire } from 'node:module'

/** The module that `--session` names. */
export function sessionModule ({ session }) {
  const require = createRequire(import.meta.url)
  return session === 'express' ? require('express-session') : require('../../node')
}

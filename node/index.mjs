// The same for `import`.

import session from './index.js'

export default session
export const { Cookie, csrf, manager, MemoryStore, NativeStore, requireLogin, requireRole, safeNext, Session, Store } = session

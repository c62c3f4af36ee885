// The same for `import`.

import session from './index.js'

export default session
export const { Cookie, MemoryStore, NativeStore, Session, Store } = session

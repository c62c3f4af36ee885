// The stores behind the lab, by URL. Each one is express-session's store, the records as they are stored, and an end.
// Drivers load on demand, so that the memory store starts without them.

import { UsageError } from './flags.mjs'
import { sessionModule } from './session.mjs'

const OPENERS = {
  'memory:': openMemory,
  'redis:': openRedis,
  'rediss:': openRedis,
  'postgres:': openPostgres,
  'postgresql:': openPostgres,
  'mongodb:': openMongo
}

/** Opens the store that `flags.store` names: `{ store, records(): Map of sid to text, close() }`. */
export function openStore (flags) {
  const scheme = flags.store.slice(0, flags.store.indexOf(':') + 1)
  const open = Object.hasOwn(OPENERS, scheme) ? OPENERS[scheme] : undefined
  if (open === undefined) throw new UsageError(`--store takes ${Object.keys(OPENERS).join(', ')}, not ${scheme || 'a URL without a scheme'}`)
  return flags.session === 'native' ? openNative(flags, open) : open(flags)
}

/** The package's own store, by its URL; what it holds is read by another program's client where there is one. */
async function openNative (flags, open) {
  const { NativeStore } = sessionModule(flags)
  const store = new NativeStore(flags.store, flags)
  await call(store, 'length')
  if (flags.store !== 'memory:') return { ...await open(flags), store }
  const records = async () => {
    const all = Object.entries(await call(store, 'all'))
    return new Map(all.map(([sid, record]) => [sid, JSON.stringify(record)]))
  }
  return { store, records, close: async () => {} }
}

function call (store, method) {
  return new Promise((resolve, reject) => store[method]((error, value) => error ? reject(error) : resolve(value)))
}

function openMemory (flags) {
  const store = new (sessionModule(flags).MemoryStore)()
  // Read past the store's own methods: those delete what has expired.
  const isLive = ([, text]) => {
    const expires = JSON.parse(text).cookie?.expires
    return !expires || new Date(expires) > new Date()
  }
  return {
    store,
    records: async () => new Map(Object.entries(store.sessions).filter(isLive)),
    close: async () => {}
  }
}

async function openRedis ({ store: url, prefix }) {
  const [{ createClient }, { RedisStore }] = await Promise.all([import('redis'), import('connect-redis')])
  const client = createClient({ url })
  client.on('error', error => console.error(`lab: redis: ${error.message}`))
  await client.connect()
  return {
    store: new RedisStore({ client, prefix }),
    records: () => redisRecords(client, prefix),
    close: async () => client.destroy()
  }
}

async function redisRecords (client, prefix) {
  const found = new Map()
  for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1000 })) {
    if (keys.length === 0) continue
    const texts = await client.mGet(keys)
    keys.forEach((key, i) => { if (texts[i] !== null) found.set(key.slice(prefix.length), texts[i]) })
  }
  return found
}

async function openPostgres (flags) {
  const { store: conString } = flags
  const [{ default: pg }, { default: connect }] = await Promise.all([import('pg'), import('connect-pg-simple')])
  const pool = new pg.Pool({ connectionString: conString })
  pool.on('error', error => console.error(`lab: postgres: ${error.message}`))
  const PgStore = connect(sessionModule(flags))
  const store = new PgStore({ pool, createTableIfMissing: true, pruneSessionInterval: false })
  // Any read creates the table, so that `records` finds one.
  await new Promise((resolve, reject) => store.get('', error => error ? reject(error) : resolve()))
  return {
    store,
    async records () {
      const live = 'SELECT sid, sess::text AS text FROM session WHERE expire >= to_timestamp($1)'
      const { rows } = await pool.query(live, [Math.ceil(Date.now() / 1000)])
      return new Map(rows.map(({ sid, text }) => [sid, text]))
    },
    async close () {
      store.close()
      await pool.end()
    }
  }
}

async function openMongo ({ store: url, touchAfterMs }) {
  const [{ MongoClient }, { default: MongoStore }] = await Promise.all([import('mongodb'), import('connect-mongo')])
  const client = await MongoClient.connect(url)
  const store = MongoStore.create({ client, touchAfter: touchAfterMs / 1000 })
  const sessions = client.db().collection('sessions')
  return {
    store,
    async records () {
      const live = { $or: [{ expires: { $exists: false } }, { expires: { $gt: new Date() } }] }
      const documents = await sessions.find(live).toArray()
      return new Map(documents.map(({ _id, session }) => [_id, session]))
    },
    close: () => client.close()
  }
}

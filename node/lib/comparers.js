'use strict'

// Compare-and-set through a store object's own client: the record is written only where it still is what was read.
// For connect-redis, connect-pg-simple and connect-mongo as they are set up by default; undefined for every other.

const { createHash } = require('node:crypto')

/** Writes KEYS[1] where it still is ARGV[1]; ARGV[3] are its seconds, an empty text for no end. */
const SCRIPT = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
elseif tonumber(ARGV[3]) > 0 then redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
else redis.call('DEL', KEYS[1]) end
return 1`
/** By this the server knows the script once it has seen it. */
const HASH = createHash('sha1').update(SCRIPT).digest('hex')

/** Says whether a method is a class's own, that nobody has put another in the place of. */
function isUnchanged (store, ...methods) {
  return methods.every(method => typeof store[method] === 'function' && !Object.hasOwn(store, method))
}

class RedisComparer {
  static of (store) {
    const isOne = typeof store.prefix === 'string' && store.serializer === JSON &&
      isUnchanged(store, 'get', 'set', 'getTTL') &&
      typeof store.client?.eval === 'function' && typeof store.client.sendCommand === 'function'
    return isOne ? new RedisComparer(store) : undefined
  }

  constructor (store) { this.store = store }

  /** Says that `get` of the store would parse what `read` gives, and do nothing else. */
  get readsAsStore () { return true }

  async read (id) {
    return await this.store.client.get(this.store.prefix + id) || undefined
  }

  async write (id, read, session) {
    const { client, prefix, disableTTL } = this.store
    const seconds = this.store.getTTL(session)
    const end = seconds > 0 ? (disableTTL ? '' : String(seconds)) : '0'
    const call = { keys: [prefix + id], arguments: [read, JSON.stringify(session), end] }
    return Number(await this.run(client, call)) === 1
  }

  async run (client, call) {
    if (typeof client.evalSha === 'function') {
      try {
        return await client.evalSha(HASH, call)
      } catch (error) {
        if (!error?.message?.startsWith('NOSCRIPT')) throw error
      }
    }
    return client.eval(SCRIPT, call)
  }
}

class PostgresComparer {
  static of (store) {
    return isUnchanged(store, 'get', 'set', 'query', 'quotedTable', '_asyncQuery') ? new PostgresComparer(store) : undefined
  }

  constructor (store) { this.store = store }

  query (text, params) {
    return new Promise((resolve, reject) => {
      this.store.query(text, params, (error, row) => error ? reject(error) : resolve(row))
    })
  }

  async read (id) {
    const seconds = Math.ceil(Date.now() / 1000)
    const table = this.store.quotedTable()
    const row = await this.query(`SELECT sess::text AS text FROM ${table} WHERE sid = $1 AND expire >= to_timestamp($2)`, [id, seconds])
    return row?.text
  }

  async write (id, read, session) {
    const expires = session.cookie?.expires
    const end = expires ? new Date(expires).getTime() / 1000 : Date.now() / 1000 + (this.store.ttl || 86400)
    const table = this.store.quotedTable()
    const row = await this.query(`UPDATE ${table} SET sess = $1, expire = to_timestamp($2) WHERE sid = $3 AND sess::text = $4 RETURNING sid`,
      [JSON.stringify(session), Math.ceil(end), id, read])
    return row !== undefined
  }
}

class MongoComparer {
  static of (store) {
    const { options } = store
    const isOne = isUnchanged(store, 'get', 'set', 'computeStorageId') && typeof store.collectionP?.then === 'function' &&
      options?.stringify === true && !options.serialize && !options.unserialize && !store.cryptoAdapter
    return isOne ? new MongoComparer(store) : undefined
  }

  constructor (store) { this.store = store }

  async read (id) {
    const sessions = await this.store.collectionP
    const live = [{ expires: { $exists: false } }, { expires: { $gt: new Date() } }]
    const found = await sessions.findOne({ _id: this.store.computeStorageId(id), $or: live })
    return found?.session
  }

  async write (id, read, session) {
    const { ttl, touchAfter, timestamps, writeOperationOptions } = this.store.options
    const { lastModified, ...data } = session
    const now = new Date()
    const expires = session.cookie?.expires
    const fields = {
      session: JSON.stringify(touchAfter > 0 ? data : session),
      expires: expires ? new Date(expires) : new Date(now.getTime() + ttl * 1000),
      ...(touchAfter > 0 ? { lastModified: now } : {})
    }
    const sessions = await this.store.collectionP
    const change = { $set: fields, ...(timestamps ? { $currentDate: { updatedAt: true } } : {}) }
    const where = { _id: this.store.computeStorageId(id), session: read }
    const { matchedCount } = await sessions.updateOne(where, change, { writeConcern: writeOperationOptions })
    return matchedCount === 1
  }
}

const KINDS = { RedisStore: RedisComparer, PGStore: PostgresComparer, MongoStore: MongoComparer }

/** Returns what compares and sets for a store object, `undefined` where nothing does. */
function comparerOf (store) {
  const kind = KINDS[store.constructor?.name]
  return kind?.of(store)
}

module.exports = { comparerOf }

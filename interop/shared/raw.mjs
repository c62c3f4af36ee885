// What lies in a store, past every session library.

import { MongoClient } from 'mongodb'
import pg from 'pg'
import { createClient } from 'redis'

/** `{text(sid), put(sid, text) in its place, expires(sid) in ms since 1970, close()}` for a store's URL. */
export async function openRaw (url) {
  if (url.startsWith('redis:')) return redis(url)
  if (url.startsWith('postgres:')) return postgres(url)
  return mongo(url)
}

async function redis (url) {
  const client = await createClient({ url }).connect()
  return {
    text: sid => client.get(`sess:${sid}`),
    put: (sid, text) => client.set(`sess:${sid}`, text, { KEEPTTL: true }),
    expires: async sid => Date.now() + await client.pTTL(`sess:${sid}`),
    close: async () => client.destroy()
  }
}

async function postgres (url) {
  const pool = new pg.Pool({ connectionString: url })
  const one = async (column, sid) => {
    const { rows } = await pool.query(`SELECT ${column} AS it FROM session WHERE sid = $1`, [sid])
    return rows[0]?.it ?? null
  }
  return {
    text: sid => one('sess::text', sid),
    put: (sid, text) => pool.query('UPDATE session SET sess = $2::text::json WHERE sid = $1', [sid, text]),
    expires: async sid => Number(await one('extract(epoch FROM expire::timestamptz)', sid)) * 1000,
    close: () => pool.end()
  }
}

async function mongo (url) {
  const client = await MongoClient.connect(url)
  const sessions = client.db().collection('sessions')
  const one = async sid => await sessions.findOne({ _id: sid })
  return {
    text: async sid => (await one(sid))?.session ?? null,
    put: (sid, session) => sessions.updateOne({ _id: sid }, { $set: { session } }),
    expires: async sid => (await one(sid)).expires.getTime(),
    close: () => client.close()
  }
}

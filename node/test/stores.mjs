// The servers that a run of the tests has, and express-session's own stores on them.

import { require } from './support.mjs'

const express = require('express-session')

/** The servers' URLs by the store's name. */
export function stores () {
  const urls = process.env.CLOAKROOM_STORES
  if (urls === undefined) throw new Error('CLOAKROOM_STORES is not set: run `cargo xtask node --test`')
  const { valkey, ...all } = JSON.parse(urls)
  return all
}

const OPENERS = {
  async redis (url) {
    const { createClient } = require('redis')
    const { RedisStore } = require('connect-redis')
    const client = createClient({ url })
    client.on('error', () => {})
    await client.connect()
    return { store: new RedisStore({ client }), text: id => client.get(`sess:${id}`), close: () => client.destroy(), client }
  },
  async postgres (conString) {
    const pg = require('pg')
    const PgStore = require('connect-pg-simple')(express)
    const pool = new pg.Pool({ connectionString: conString })
    pool.on('error', () => {})
    const store = new PgStore({ pool, createTableIfMissing: true, pruneSessionInterval: false })
    const text = async id => (await pool.query('SELECT sess::text AS text FROM session WHERE sid = $1', [id])).rows[0]?.text
    return { store, text, close: async () => { store.close(); await pool.end() }, pool }
  },
  async mongodb (url) {
    const { MongoClient } = require('mongodb')
    const { default: MongoStore } = require('connect-mongo')
    const client = await MongoClient.connect(url)
    const store = MongoStore.create({ client })
    const text = async id => (await client.db().collection('sessions').findOne({ _id: id }))?.session
    return { store, text, close: () => client.close(), client }
  }
}

/** express-session's own store on a server: the store, the text of a record by its id, and its end. */
export function openExpressStore (name, url) {
  return OPENERS[name](url)
}

// V9: records that Express reads and Rust does not. What is ended at Rust is ended at Express: whoever signs
// out, or in, there is not to stay signed in here.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Visitor, stores, withBoth } from './labs.mjs'
import { openRaw } from './raw.mjs'

const COOKIE = '{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}'

const nested = (open, close) => open.repeat(150) + 1 + close.repeat(150)
const beside = text => user => `{"cookie":${COOKIE},"userId":"${user}",${text}}`
const by = cookie => user => `{"cookie":${cookie},"userId":"${user}"}`

/** Texts that Express opens, by what is odd about them. */
const FORMS = {
  '150 arrays': beside(`"a":${nested('[', ']')}`),
  '150 objects': beside(`"a":${nested('{"b":', '}')}`),
  '150 arrays in the cookie': by(`{"path":"/","a":${nested('[', ']')}}`),
  'more than 1 MiB': beside(`"a":"${'x'.repeat(1 << 20)}"`),
  'more than 8,192 keys': beside(Array.from({ length: 8300 }, (_, n) => `"k${n}":1`).join()),
  'a cookie that is false': by('false'),
  'a cookie that is 0': by('0'),
  'a cookie that is an empty text': by('""'),
  'a cookie that is an array': by('[]'),
  'two cookies': by('{"path":"/"},"cookie":false')
}

/** What ends a session, as the steps of a request. */
const ENDS = {
  logout: [{ op: 'logout' }],
  'a login': [{ op: 'login', user: 'grace' }],
  'another session': [{ op: 'regenerate' }],
  'another id': [{ op: 'rotate' }],
  'its end': [{ op: 'destroy' }]
}

for (const [name, url] of stores()) {
  test(`what is not read at Rust is ended at Express, on ${name}`, () => withBoth(url, [], async ({ node, rust }) => {
    const raw = await openRaw(url)
    try {
      for (const [form, text] of Object.entries(FORMS)) {
        for (const [end, steps] of Object.entries(ENDS)) {
          const [visitor, user] = [new Visitor(), 'ada-of-v9']
          const { sid } = await visitor.run(node, { op: 'login', user })
          await raw.put(sid, text(user))
          assert.equal(await visitor.me(node), user, `${form}: Express reads it`)
          assert.equal(await visitor.me(rust), null, `${form}: Rust does not`)
          assert.equal(await visitor.me(node), user, `${form}: and leaves it alone`)
          const before = visitor.clone()
          await visitor.run(rust, ...steps)
          assert.equal(await before.me(node), null, `${form}, ${end}: who is signed in at Express`)
        }
      }
    } finally {
      await raw.close()
    }
  }))
}

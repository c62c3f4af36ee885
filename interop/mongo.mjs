// connect-mongo on documents that cloakroom wrote: reads each session, says what it saw, and saves it with
// one more key. Called by a test: node mongo.mjs URL, the cases as JSON on standard input.
import { createHash } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import MongoStore, { createWebCryptoAdapter } from 'connect-mongo';
import session from 'express-session';

const forms = {
  text: {},
  document: { stringify: false },
  hashed: { transformId: (id) => createHash('sha256').update(id).digest('hex') },
  kruptein: { crypto: { secret: 'squirrel' } },
  'kruptein-cbc': { crypto: { secret: 'squirrel', algorithm: 'aes-256-cbc', encodeas: 'hex', hashing: 'sha256' } },
  'kruptein-gcm-hex': { crypto: { secret: 'squirrel', encodeas: 'hex', hashing: 'sha384' } },
  webcrypto: { cryptoAdapter: createWebCryptoAdapter({ secret: 'squirrel' }) },
  'webcrypto-cbc': {
    cryptoAdapter: createWebCryptoAdapter({ secret: 'squirrel', algorithm: 'AES-CBC', encoding: 'hex', iterations: 1000 }),
  },
  'webcrypto-iv16': {
    cryptoAdapter: createWebCryptoAdapter({ secret: 'squirrel', ivLength: 16, encoding: 'base64url', salt: 'pepper', iterations: 1000 }),
  },
};

const seen = [];
for (const { form, database, sid } of JSON.parse(await text(process.stdin))) {
  const store = MongoStore.create({ mongoUrl: process.argv[2], dbName: database, autoRemove: 'disabled', ...forms[form] });
  const stored = await promisify(store.get.bind(store))(sid);
  seen.push(JSON.stringify(stored));
  const request = { sessionID: sid, sessionStore: new session.MemoryStore() };
  const loaded = store.createSession(request, stored);
  loaded.node = process.version;
  await promisify(store.set.bind(store))(sid, loaded);
  await store.close();
}
console.log(JSON.stringify(seen));

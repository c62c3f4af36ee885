// What would be published, installed into an empty folder without a network: an application of Express's changes one line.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { pack, platform } from '../pack.mjs'

const OWN_MODULES = fileURLToPath(new URL('node_modules', import.meta.url))

/** An application as Express's own example has it, and its test: a counter, and a login that changes the id. */
const APPLICATION = line => `
const express = require('express')
const session = ${line}
const app = express()
app.use(session({ resave: false, saveUninitialized: false, secret: 'keyboard cat' }))
app.get('/', (req, res) => {
  let body = ''
  if (req.session.views) ++req.session.views
  else { req.session.views = 1; body += 'First time visiting? view this page in several browsers :)' }
  res.send(body + 'viewed ' + req.session.views + ' times.')
})
app.get('/login', (req, res, next) => req.session.regenerate(error => {
  if (error) return next(error)
  req.session.user = 'tj'
  req.session.save(error => error ? next(error) : res.redirect('/me'))
}))
app.get('/me', (req, res) => res.send('hello, ' + req.session.user))
const server = app.listen(0, async () => {
  const url = 'http://127.0.0.1:' + server.address().port
  let cookie = ''
  for (const path of ['/', '/', '/login', '/me', '/']) {
    const answer = await fetch(url + path, { headers: { cookie }, redirect: 'manual' })
    cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? cookie
    console.log(path, answer.status, path === '/login' ? '' : await answer.text())
  }
  server.close()
})
`

test('the package installs without a network, and one line is all that changes', t => {
  const folder = mkdtempSync(join(tmpdir(), 'cloakroom-pack-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const { main, cores } = pack(join(folder, 'packed'))
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  const npm = words => execFileSync('npm', [...words, '--offline', '--no-audit', '--no-fund', '--prefix', folder], { cwd: folder, stdio: 'pipe' })
  npm(['install', ...cores, main, '--omit=optional', '--omit=peer'])
  const installed = join(folder, 'node_modules', 'cloakroom')
  assert.deepEqual(readdirSync(installed).sort(), ['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'index.d.ts', 'index.js', 'index.mjs', 'lib', 'package.json', 'session'])
  assert.equal(existsSync(join(installed, 'test')), false)
  // Express itself is not what is installed here.
  const env = { ...process.env, NODE_PATH: OWN_MODULES }
  const run = line => {
    writeFileSync(join(folder, 'app.js'), APPLICATION(line))
    return execFileSync(process.execPath, ['app.js'], { cwd: folder, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  }
  const ours = run("require('cloakroom')")
  assert.equal(ours, run("require('express-session')"))
  assert.match(ours, /viewed 2 times[^]*hello, tj/)
  const inside = code => execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd: folder, encoding: 'utf8' })
  assert.equal(inside("import session, { Store } from 'cloakroom'; import Cookie from 'cloakroom/session/cookie'; console.log(session.Store === Store, new Cookie().path)"), 'true /\n')
})

test('without a core for the platform the error says for which there are some', t => {
  const folder = mkdtempSync(join(tmpdir(), 'cloakroom-bare-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const root = fileURLToPath(new URL('..', import.meta.url))
  for (const name of ['index.js', 'lib', 'session', 'package.json']) cpSync(join(root, name), join(folder, name), { recursive: true })
  const code = `try { require(${JSON.stringify(folder)}) } catch (error) { console.log(error.message) }`
  const said = execFileSync(process.execPath, ['-e', code], { encoding: 'utf8' })
  assert.match(said, /no compiled core for \w+-\w+ here; there are some for linux-x64-gnu, /)
})

test('the workflow builds a core for every platform that the package names, and each is packed for its own', () => {
  const read = path => readFileSync(new URL(path, import.meta.url), 'utf8')
  const workflow = read('../../.github/workflows/node.yml')
  const built = [...workflow.matchAll(/name: ([\w-]+), target: ([\w-]+)/g)].map(([, name]) => name).sort()
  const named = Object.keys(JSON.parse(read('../package.json')).optionalDependencies).map(name => name.replace('@cloakroom/', '')).sort()
  assert.deepEqual(built, named)
  const loader = read('../lib/addon.js')
  for (const name of built) assert.ok(loader.includes(`'${name}'`), name)
  const files = [...workflow.matchAll(/node\/test\/[\w.-]+\.mjs/g)].map(([path]) => path)
  assert.ok(files.length > 0)
  for (const path of files) assert.ok(existsSync(new URL(`../../${path}`, import.meta.url)), path)
  const expected = {
    'linux-x64-gnu': { os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
    'linux-arm64-musl': { os: ['linux'], cpu: ['arm64'], libc: ['musl'] },
    'darwin-arm64': { os: ['darwin'], cpu: ['arm64'] },
    'win32-x64-msvc': { os: ['win32'], cpu: ['x64'] }
  }
  for (const [name, about] of Object.entries(expected)) assert.deepEqual(platform(name), about)
})

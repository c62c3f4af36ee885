// The example in `node/example`, started as its README says, in a real Chromium: what a visitor does, in two tabs, in light and
// dark, on a phone; axe has nothing to say of any page. `SCREENSHOTS=FOLDER` keeps pictures.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { chromium } from 'playwright-core'

import { ask, require } from './support.mjs'

const SERVER = fileURLToPath(new URL('../example/server.mjs', import.meta.url))
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const PASSWORDS = { ada: 'analytical-engine', grace: 'nanosecond' }
const data = mkdtempSync(join(tmpdir(), 'cloakroom-example-'))
let shop, browser

async function start () {
  const child = spawn(process.execPath, [SERVER], { env: { ...process.env, PORT: '0', DATA: data }, stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: child.stdout })) return { child, url: line.match(/^open (http:\S+)$/)[1] }
  throw new Error('the example does not start')
}

async function stop ({ child }, signal = 'SIGTERM') {
  child.kill(signal)
  const [code] = await once(child, 'exit')
  return code
}

before(async () => {
  shop = await start()
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
  })
})

after(async () => {
  await browser?.close()
  if (shop) await stop(shop)
  rmSync(data, { recursive: true })
})

/** A browser of its own, whose pages' errors fail the test. */
async function visitor (t, options = {}) {
  const context = await browser.newContext({ baseURL: shop.url, ...options })
  const errors = []
  t.after(async () => {
    await context.close()
    assert.deepEqual(errors, [])
  })
  context.on('weberror', error => errors.push(error.error().message))
  context.on('console', message => { if (message.type() === 'error') errors.push(message.text()) })
  return context
}

async function signIn (page, name, password = PASSWORDS[name]) {
  await page.goto('/login')
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password').fill(password)
  await page.locator('main').getByRole('button', { name: 'Sign in' }).click()
}

const add = (page, name) => page.getByRole('button', { name: `Add ${name} to the cart` }).click()
const textOf = (page, selector) => page.locator(selector).textContent()
/** Waits until a page shows it; playwright's own bound is half a minute. */
const shows = (page, text) => page.getByText(text).first().waitFor()
const counts = (page, count) => page.locator('#count', { hasText: new RegExp(`^${count}$`) }).waitFor()

test('a visitor without a session leaves nothing; a cart survives the login, which changes the ticket', async t => {
  const context = await visitor(t)
  const page = await context.newPage()
  await page.goto('/')
  await page.goto('/cart')
  assert.deepEqual(await context.cookies(), [])
  await page.goto('/')
  await add(page, 'Felt hat')
  await shows(page, 'Felt hat is in your cart.')
  assert.equal(await textOf(page, '#count'), '1')
  await page.reload()
  assert.equal(await page.getByText('Felt hat is in your cart.').count(), 0)
  const [before] = await context.cookies()
  assert.deepEqual([before.httpOnly, before.sameSite, before.secure], [true, 'Lax', false])
  await page.goto('/account')
  assert.equal(new URL(page.url()).search, '?next=/account')
  await page.getByLabel('Name').fill('grace')
  await page.getByLabel('Password').fill(PASSWORDS.grace)
  await page.locator('main').getByRole('button', { name: 'Sign in' }).click()
  await shows(page, 'Where you are signed in')
  await shows(page, 'Welcome, grace.')
  const [after] = await context.cookies()
  assert.notEqual(after.value, before.value)
  assert.equal(await textOf(page, '#count'), '1')
  assert.match(await page.getByRole('heading', { level: 2 }).textContent(), /^Chrom(e|ium) on Linux, this one$/)
})

test('two tabs add at once and neither takes from the other; the count follows in both', async t => {
  const context = await visitor(t)
  const tabs = [await context.newPage(), await context.newPage()]
  await tabs[0].goto('/')
  await add(tabs[0], 'Umbrella')
  for (const tab of tabs) await tab.goto('/')
  await Promise.all([add(tabs[0], 'Felt hat'), add(tabs[1], 'Wool scarf')])
  for (const tab of tabs) await counts(tab, 3)
  await tabs[0].goto('/cart')
  await tabs[0].getByRole('button', { name: 'Remove Felt hat' }).click()
  await counts(tabs[1], 2)
})

test('an order asks for a login that is fresh, and comes back to the cart', async t => {
  const page = await (await visitor(t)).newPage()
  await page.goto('/')
  await add(page, 'Umbrella')
  await page.goto('/cart')
  await page.getByRole('button', { name: 'Order' }).click()
  await shows(page, 'Please sign in to order.')
  await page.getByLabel('Name').fill('grace')
  await page.getByLabel('Password').fill(PASSWORDS.grace)
  await page.locator('main').getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Order' }).click()
  await shows(page, 'Thank you. Nothing was sold.')
  await counts(page, 0)
})

test('a logout in one tab is told in the other, and its old page does nothing', async t => {
  const context = await visitor(t)
  const tabs = [await context.newPage(), await context.newPage()]
  await signIn(tabs[0], 'grace')
  await shows(tabs[0], 'Welcome, grace.')
  await tabs[1].goto('/account')
  await tabs[0].getByRole('button', { name: 'Sign out' }).click()
  await shows(tabs[1], 'You were signed out, here or elsewhere.')
  await tabs[1].getByRole('link', { name: 'Load the page again' }).click()
  await shows(tabs[1], 'Sign in')
  assert.match(tabs[1].url(), /\/login\?next=\/account$/)
})

test('devices are listed, one is signed out, and staff end a user\'s sessions', async t => {
  const [phone, desk, staff] = [await visitor(t), await visitor(t), await visitor(t)]
  const pages = await Promise.all([phone, desk, staff].map(context => context.newPage()))
  await signIn(pages[0], 'grace')
  await signIn(pages[1], 'grace')
  await pages[0].goto('/')
  await pages[1].goto('/account')
  await pages[1].getByRole('button', { name: 'Sign out everywhere else' }).click()
  await shows(pages[1], /Signed out elsewhere: [1-9]/)
  await shows(pages[0], 'You were signed out, here or elsewhere.')
  const refused = await pages[1].request.get('/admin')
  assert.equal(refused.status(), 403)
  await signIn(pages[2], 'ada')
  await pages[2].getByRole('link', { name: 'Staff' }).click()
  await pages[2].getByRole('button', { name: "End grace's sessions" }).click()
  await shows(pages[2], "1 of grace's sessions ended.")
  await shows(pages[1], 'You were signed out, here or elsewhere.')
})

test('a wrong password, an open redirect, another site\'s form and socket get nowhere', async t => {
  // The browser says of each refusal on its console.
  const context = await browser.newContext({ baseURL: shop.url })
  t.after(() => context.close())
  const page = await context.newPage()
  await signIn(page, 'grace', 'guess')
  await shows(page, 'Name or password is wrong.')
  assert.deepEqual(await context.cookies(), [])
  await page.goto('/login?next=//evil.example')
  assert.equal(await page.locator('input[name=next]').inputValue(), '')
  await page.goto('/')
  await add(page, 'Umbrella')
  await shows(page, 'Umbrella is in your cart.')
  await page.goto(`data:text/html,<form method="post" action="${shop.url}/cart"><input name="sku" value="felt-hat"><button>Go</button></form>`)
  const answer = page.waitForResponse(`${shop.url}/cart`)
  await page.getByRole('button').click()
  assert.equal((await answer).status(), 403)
  assert.equal((await ask(shop, '/cart', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'sku=umbrella' })).status, 403)
  const handshake = '/socket.io/?EIO=4&transport=polling'
  assert.equal((await ask(shop, handshake)).status, 200)
  assert.equal((await ask(shop, handshake, { headers: { origin: 'https://evil.example' } })).status, 403)
})

test('a restart signs nobody out, and leaves in order', async t => {
  const context = await visitor(t)
  const page = await context.newPage()
  await signIn(page, 'grace')
  await shows(page, 'Welcome, grace.')
  const [cookie] = await context.cookies()
  await page.close()
  const second = await start()
  t.after(() => second.child.exitCode ?? second.child.kill())
  const { text } = await ask(second, '/account', { cookie: `${cookie.name}=${cookie.value}` })
  assert.match(text, /Where you are signed in/)
  assert.equal(await stop(second), 0)
  for (const file of ['secret', 'sessions.db']) assert.equal(statSync(join(data, file)).mode & 0o077, 0, file)
})

for (const [scheme, width] of [['light', 1280], ['dark', 1280], ['light', 390], ['dark', 390]]) {
  test(`${scheme}, ${width} px: axe finds nothing, and nothing is wider than the window`, async t => {
    const context = await visitor(t, { colorScheme: scheme, viewport: { width, height: 800 }, bypassCSP: true })
    const page = await context.newPage()
    const look = async name => {
      await page.waitForLoadState('load') // before its style sheet a dark page has the browser's own colours, which axe cannot see
      const { violations } = await page.evaluate(`${AXE}; axe.run()`)
      assert.deepEqual(violations.map(({ id, nodes }) => `${name}: ${id}: ${nodes[0].html}`), [])
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is too wide`)
      if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}-${scheme}-${width}.png`), fullPage: true })
    }
    await page.goto('/')
    await add(page, 'Felt hat')
    await shows(page, 'Felt hat is in your cart.')
    await look('shelf')
    await page.goto('/cart')
    await look('cart')
    await page.goto('/login')
    await look('login')
    await signIn(page, 'ada')
    await shows(page, 'Welcome, ada.')
    for (const [name, path] of [['account', '/account'], ['admin', '/admin']]) {
      await page.goto(path)
      await look(name)
    }
    await page.getByRole('button', { name: 'Sign out' }).click()
    await shows(page, 'On the rack')
  })
}

// The admin panel, two processes on one Redis, by its forms and in a real browser.

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { chromium } from 'playwright-core'

import { CHROMIUM, fromHere, PASSWORDS, startExample, startRedis, Visitor } from './support.mjs'

const SCREENSHOTS = fromHere('../../target/screenshots')
const FRESH_SECS = 2

let redis, panels, hasty, browser

before(async () => {
  redis = await startRedis()
  panels = [await startExample('admin', redis.url), await startExample('admin', redis.url)]
  hasty = await startExample('admin', redis.url, ['--fresh-secs', String(FRESH_SECS)])
  browser = await chromium.launch(CHROMIUM)
})

after(async () => {
  await browser?.close()
  for (const server of [hasty, ...(panels ?? []), redis]) await server?.stop()
})

test('who is signed out is sent to the login, and an account without a role reaches nothing', async () => {
  const visitor = new Visitor()
  const sent = await visitor.page(panels[0].url)
  assert.equal(sent.status, 303)
  assert.equal(sent.headers.get('location'), '/login?next=/')
  assert.equal((await visitor.submit(`${panels[0].url}/end`, { user: 'ada' })).headers.get('location'), '/login?again=1&next=/')
  await visitor.login(panels[0], 'linus')
  assert.equal((await visitor.page(panels[0].url)).status, 403)
})

test('an editor looks and ends nothing', async () => {
  const [editor, victim] = [await signedIn('grace'), await signedIn('linus')]
  const page = await (await editor.page(panels[1].url)).text()
  assert.match(page, /data-user="linus"/)
  assert.doesNotMatch(page, /action="\/end"/)
  assert.equal((await editor.submit(`${panels[0].url}/end`, { user: 'linus' })).status, 403)
  assert.ok(await isSignedIn(victim))
})

test('an admin ends all sessions of another, in all processes, and their own goes on', async () => {
  const victims = [await signedIn('grace', 0), await signedIn('grace', 1), await signedIn('grace', 1)]
  const admin = await signedIn('ada', 0)
  const token = await tokenOf(admin, panels[0])
  const live = await liveSessions(admin, 'grace')
  assert.ok(live >= victims.length)
  const ended = await admin.submit(`${panels[0].url}/end`, { user: 'grace', _csrf: token })
  assert.equal(ended.status, 303)
  assert.equal(ended.headers.get('location'), `/?ended=${live}`)
  for (const victim of victims) assert.equal(await isSignedIn(victim), false)
  assert.equal(await liveSessions(admin, 'grace'), 0)
  assert.ok(await isSignedIn(admin))
})

test('a form from elsewhere ends nothing: no token where the browser does not say, none where it says so', async () => {
  const [admin, victim, other] = [await signedIn('ada'), await signedIn('grace'), await signedIn('ada')]
  const send = (fields, headers) => admin.fetch(`${panels[0].url}/end`,
    { method: 'POST', body: new URLSearchParams({ user: 'grace', ...fields }), headers })
  const [own, foreign] = [await tokenOf(admin, panels[0]), await tokenOf(other, panels[0])]
  assert.equal((await send({}, {})).status, 403)
  assert.equal((await send({ _csrf: foreign }, {})).status, 403)
  assert.equal((await send({ _csrf: own }, { origin: 'https://evil.example' })).status, 403)
  assert.equal((await send({ _csrf: own }, { 'sec-fetch-site': 'cross-site' })).status, 403)
  assert.ok(await isSignedIn(victim))
  assert.equal((await send({ _csrf: own }, {})).status, 303)
  assert.equal(await isSignedIn(victim), false)
})

test('a login that is not fresh is asked for the password again, and then may', async () => {
  const [admin, victim] = [await signedIn('ada'), await signedIn('grace')]
  await sleep((FRESH_SECS + 1) * 1000)
  const stale = await admin.submit(`${hasty.url}/end`, { user: 'grace', _csrf: await tokenOf(admin, hasty) })
  assert.equal(stale.headers.get('location'), '/login?again=1&next=/')
  assert.match(await (await admin.page(`${hasty.url}/login?again=1&next=/`)).text(), /once more/)
  assert.ok(await isSignedIn(victim))
  assert.equal((await admin.login(hasty, 'ada', { next: '/' })).headers.get('location'), '/')
  const fresh = await admin.submit(`${hasty.url}/end`, { user: 'grace', _csrf: await tokenOf(admin, hasty) })
  assert.match(fresh.headers.get('location'), /^\/\?ended=/)
  assert.equal(await isSignedIn(victim), false)
})

test('what is shown is escaped, and the page runs no script', async () => {
  const page = await new Visitor().page(`${panels[0].url}/login?next=${encodeURIComponent('"><script>alert(1)</script>')}`)
  assert.match(page.headers.get('content-security-policy'), /default-src 'none'/)
  assert.doesNotMatch(await page.text(), /<script/)
})

const LOOKS = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }
}

for (const [look, options] of Object.entries(LOOKS)) {
  test(`in a browser without scripts, every page fits its window: ${look}`, async () => {
    await signedIn('grace', 1)
    const context = await browser.newContext({ javaScriptEnabled: false, ...options })
    const complaints = []
    try {
      context.setDefaultTimeout(10_000)
      const page = await context.newPage()
      page.on('console', message => { if (message.type() === 'error') complaints.push(message.text()) })
      await page.goto(panels[0].url)
      await picture(page, `admin-login-${look}`)
      await page.getByLabel('Name').fill('ada')
      await page.getByLabel('Password').fill(PASSWORDS.ada)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByRole('heading', { name: 'Users' }).waitFor()
      await picture(page, `admin-users-${look}`)
      await page.getByRole('button', { name: 'End every session of grace' }).click()
      await page.getByRole('status').waitFor()
      await picture(page, `admin-ended-${look}`)
    } finally {
      await context.close()
    }
    assert.deepEqual(complaints, [])
  })
}

/** Somebody who signed in at one of the panels. */
async function signedIn (user, panel = 0) {
  const visitor = new Visitor()
  assert.equal((await visitor.login(panels[panel], user)).status, 303)
  return visitor
}

/** Whether every panel knows who this is: whoever is signed out is sent to the login. */
async function isSignedIn (visitor) {
  const answers = await Promise.all(panels.map(async panel => (await visitor.page(panel.url)).status !== 303))
  assert.equal(answers[0], answers[1], 'the panels agree')
  return answers[0]
}

async function tokenOf (admin, panel) {
  const page = await (await admin.page(panel.url)).text()
  return page.match(/name="_csrf" value="([^"]+)"/)[1]
}

async function liveSessions (admin, user) {
  const page = await (await admin.page(panels[1].url)).text()
  return Number(page.match(new RegExp(`data-user="${user}".*?data-sessions="(\\d+)"`))[1])
}

async function picture (page, name) {
  mkdirSync(SCREENSHOTS, { recursive: true })
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true })
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  assert.ok(content <= window, `${name} is ${content} px wide in a window of ${window} px`)
}

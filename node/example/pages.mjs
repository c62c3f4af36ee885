// The pages. `html` escapes whatever is put into a template, but for what is one itself.

import { count, goods, money, total } from './goods.mjs'

class Html {
  constructor (text) { this.text = text }
}

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function said (value) {
  if (value instanceof Html) return value.text
  if (Array.isArray(value)) return value.map(said).join('')
  if (value === undefined || value === null || value === false) return ''
  return String(value).replace(/[&<>"']/g, character => ESCAPES[character])
}

function html (parts, ...values) {
  return new Html(parts.reduce((text, part, at) => text + said(values[at - 1]) + part))
}

/** The whole page; `shop` is what every page knows: who is signed in, the cart, the flash, the token. */
function page (title, { user, isAdmin, cart, flash, token }, body) {
  return html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>${title} · Outerwear</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/shop.css">
  <script type="module" src="/live.js"></script>
</head>
<body>
  <a class="skip" href="#main">To the page</a>
  <header>
    <a class="brand" href="/">Outerwear</a>
    <nav aria-label="Shop">
      <a href="/cart">Cart <span id="count" class="count">${count(cart)}</span></a>
      ${isAdmin && html`<a href="/admin">Staff</a>`}
      ${user
        ? html`<a href="/account">${user}</a>${form('/logout', token, html`<button class="plain">Sign out</button>`)}`
        : html`<a href="/login">Sign in</a>`}
    </nav>
  </header>
  <main id="main">
    <p id="notice" class="flash" role="status"${flash.length === 0 && new Html(' hidden')}>${flash.join(' ')}</p>
    <h1>${title}</h1>
    ${body}
  </main>
  <footer><p>An example of <code>cloakroom</code> in Express. Nothing is sold.</p></footer>
</body>
</html>
`.text
}

function form (action, token, fields, name) {
  return html`<form method="post" action="${action}"${name && html` class="${name}"`}>
    ${token && html`<input type="hidden" name="_csrf" value="${token}">`}${fields}</form>`
}

export function shelf (shop) {
  const card = ([sku, { name, price, about }]) => html`<li class="card">
    <h2>${name}</h2><p>${about}</p>
    <p class="price">${money(price)}</p>
    ${form('/cart', shop.token, html`<input type="hidden" name="sku" value="${sku}"><button>Add <span class="hidden">${name}</span> to the cart</button>`)}
  </li>`
  return page('On the rack', shop, html`<ul class="shelf">${Object.entries(goods).map(card)}</ul>`)
}

export function cart (shop) {
  const entries = Object.entries(shop.cart ?? {})
  if (entries.length === 0) return page('Your cart', shop, html`<p>It is empty. <a href="/">See what is on the rack.</a></p>`)
  const row = ([sku, quantity]) => html`<tr>
    <th scope="row">${goods[sku].name}</th><td>${quantity}</td><td>${money(goods[sku].price * quantity)}</td>
    <td>${form('/cart/remove', shop.token, html`<input type="hidden" name="sku" value="${sku}"><button class="plain">Remove <span class="hidden">${goods[sku].name}</span></button>`)}</td>
  </tr>`
  return page('Your cart', shop, html`<table>
    <thead><tr><th scope="col">What</th><th scope="col">How many</th><th scope="col">Price</th><td></td></tr></thead>
    <tbody>${entries.map(row)}</tbody>
    <tfoot><tr><th scope="row" colspan="2">In all</th><td>${money(total(shop.cart))}</td><td></td></tr></tfoot>
  </table>
  ${form('/order', shop.token, html`<button>Order</button>`)}`)
}

export function login (shop, { next, again, name, isWrong }) {
  return page(again ? 'Is it still you?' : 'Sign in', shop, html`
  ${isWrong && html`<p class="wrong" role="alert">Name or password is wrong.</p>`}
  ${form('/login', shop.token, html`
    <label for="name">Name</label><input id="name" name="name" value="${name}" autocomplete="username" required autofocus>
    <label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required>
    <input type="hidden" name="next" value="${next}">
    <button>Sign in</button>`, 'stacked')}
  <p>The example knows <code>ada</code> with <code>analytical-engine</code>, who is staff, and <code>grace</code> with <code>nanosecond</code>.</p>`)
}

const time = date => date ? html`<time datetime="${date.toISOString()}">${date.toISOString().slice(0, 16).replace('T', ' ')} UTC</time>` : 'unknown'

export function account (shop, devices) {
  const row = device => html`<li class="card">
    <h2>${device.name ?? 'Unknown browser'}${device.isCurrent && ', this one'}</h2>
    <p>Signed in ${time(device.signedIn)}</p>
    ${!device.isCurrent && form('/account/end', shop.token, html`<input type="hidden" name="handle" value="${device.handle}"><button>Sign it out</button>`)}
  </li>`
  return page('Where you are signed in', shop, html`<ul class="shelf">${devices.map(row)}</ul>
  ${form('/account/end-others', shop.token, html`<button>Sign out everywhere else</button>`)}`)
}

export function admin (shop, users) {
  const row = ({ name, sessions }) => html`<tr>
    <th scope="row">${name}</th><td>${sessions}</td>
    <td>${form('/admin/end', shop.token, html`<input type="hidden" name="name" value="${name}"><button class="plain">End <span class="hidden">${name}'s sessions</span></button>`)}</td>
  </tr>`
  return page('Who is signed in', shop, html`<table>
    <thead><tr><th scope="col">Name</th><th scope="col">Sessions</th><td></td></tr></thead><tbody>${users.map(row)}</tbody></table>`)
}

export function failure (shop, title, text) {
  return page(title, shop, html`<p>${text}</p><p><a href="/">Back to the rack</a></p>`)
}

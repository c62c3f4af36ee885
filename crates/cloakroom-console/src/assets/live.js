// Keeps the figures true while the page is open, and says when it cannot.

const LOST_AFTER_MS = 4_000;

// Whoever has entered needs no token, which is still good, and does not stay in the address.
forget();
addEventListener('hashchange', forget);

const body = document.body;
const status = document.querySelector('#live');
// That of a page which is shown again when something on it changes.
let { revision } = body.dataset;
let lost;

let source;
connect();
// A browser has few connections to one server: tabs that nobody sees hold none.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden') source.close();
  else connect();
});

function connect() {
  source?.close();
  source = new EventSource(body.dataset.live);
  source.addEventListener('open', found);
  source.addEventListener('error', missed);
  source.addEventListener('state', show);
}

// A connection is renewed twice a minute, and the browser does so by itself.
function missed() {
  lost ??= setTimeout(say, LOST_AFTER_MS, 'lost', `Not live since ${new Date().toLocaleTimeString([], { timeStyle: 'short' })}`);
  if (source.readyState === EventSource.CLOSED) location.reload();
}

function show({ data }) {
  found();
  const state = JSON.parse(data);
  for (const place of document.querySelectorAll('[data-figure]')) {
    const text = state.figures[place.dataset.figure];
    if (text != null && text !== place.textContent) place.textContent = text;
  }
  if (revision !== undefined && revision !== state.revision) refresh(state.revision);
}

function forget() {
  if (location.hash.startsWith('#token=')) history.replaceState(null, '', location.pathname + location.search);
}

function found() {
  clearTimeout(lost);
  lost = undefined;
  say('live', 'Live');
}

function say(state, words) {
  status.dataset.state = state;
  if (status.textContent !== words) status.textContent = words;
}

// Shows the page as it is now, unless somebody is writing in it or has opened a part of it.
async function refresh(to) {
  if (isInUse()) return;
  const answer = await fetch(location.href).catch(() => undefined);
  if (!answer?.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const [old, now] = [document.querySelector('main'), page.querySelector('main')];
  if (!now || isInUse()) return;
  const links = [...old.querySelectorAll('a[href], summary')];
  const index = links.indexOf(document.activeElement);
  old.replaceWith(now);
  revision = to;
  if (index >= 0) now.querySelectorAll('a[href], summary')[index]?.focus({ preventScroll: true });
}

function isInUse() {
  const main = document.querySelector('main');
  const fields = [...main.querySelectorAll('input')];
  return main.querySelector('details[open]') || main.querySelector('input:focus') || fields.some(isFilledIn);
}

function isFilledIn(input) {
  return input.type === 'checkbox' ? input.checked !== input.defaultChecked : input.type !== 'hidden' && input.value !== input.defaultValue;
}

// Exchanges the token of the address for a cookie: it goes into the form, and out of the address and its history.

enter();
// The link may be opened in a tab that has this page already.
addEventListener('hashchange', enter);

function enter() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!token) return;
  history.replaceState(null, '', location.pathname + location.search);
  const form = document.querySelector('form.enter');
  form.elements.token.value = token;
  form.requestSubmit();
}

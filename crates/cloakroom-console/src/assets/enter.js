// Exchanges the token of the address for a cookie: it goes into the form, and out of the address and its history.

const token = new URLSearchParams(location.hash.slice(1)).get('token');
if (token) {
  history.replaceState(null, '', location.pathname + location.search);
  const form = document.querySelector('form.enter');
  form.elements.token.value = token;
  form.requestSubmit();
}

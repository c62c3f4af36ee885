// What other tabs do to this visitor's session: the cart's count follows, and an end is told.

import '/socket.io/socket.io.js'

const socket = window.io({ transports: ['websocket', 'polling'] })

socket.on('cart', count => {
  document.querySelector('#count').textContent = count
})

socket.on('ended', () => {
  const notice = document.querySelector('#notice')
  notice.textContent = 'You were signed out, here or elsewhere. '
  const again = document.createElement('a')
  again.href = location.pathname
  again.textContent = 'Load the page again'
  notice.append(again)
  notice.hidden = false
})

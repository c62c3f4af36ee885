'use strict'

// What an operator should know, said once for each text; silent where `NO_DEPRECATION` names express-session.

const said = new Set()

function warnOnce (text) {
  if (said.has(text)) return
  said.add(text)
  if (/(^|[ ,])(\*|express-session|cloakroom)($|[ ,])/.test(process.env.NO_DEPRECATION ?? '')) return
  process.emitWarning(text, { type: 'CloakroomWarning' })
}

module.exports = { warnOnce }

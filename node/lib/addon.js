'use strict'

// Finds the compiled core: beside this package where it was built here, else in the package of this platform.

const PLATFORMS = {
  'linux-x64': ['linux-x64-gnu', 'linux-x64-musl'],
  'linux-arm64': ['linux-arm64-gnu', 'linux-arm64-musl'],
  'darwin-x64': ['darwin-x64'],
  'darwin-arm64': ['darwin-arm64'],
  'win32-x64': ['win32-x64-msvc'],
  'win32-arm64': ['win32-arm64-msvc']
}

function load () {
  const here = `${process.platform}-${process.arch}`
  const names = PLATFORMS[here] ?? []
  const failures = []
  for (const place of names.flatMap(name => [`../cloakroom.${name}.node`, `@cloakroom/${name}`])) {
    try {
      return require(place)
    } catch (error) {
      failures.push(`${place}: ${error.message.split('\n')[0]}`)
    }
  }
  const known = Object.values(PLATFORMS).flat().join(', ')
  throw new Error(`cloakroom has no compiled core for ${here} here; there are some for ${known}. ` +
    `Was the package installed without its optional dependencies? ${failures.join('; ')}`)
}

module.exports = load()

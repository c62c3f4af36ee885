// Makes what would be published, in a folder: the package, and the one with this platform's compiled core.
// `cargo xtask node --release` builds the core, then: node node/pack.mjs FOLDER

import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = fileURLToPath(new URL('.', import.meta.url))

/** What npm calls the platforms of a compiled core, by its name. */
export function platform (name) {
  const [os, cpu, abi] = name.split('-')
  return { os: [os], cpu: [cpu], ...(os === 'linux' ? { libc: [abi === 'musl' ? 'musl' : 'glibc'] } : {}) }
}

function npmPack (folder, to) {
  const told = execFileSync('npm', ['pack', '--json', '--pack-destination', to], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] })
  return join(to, JSON.parse(told)[0].filename)
}

/** The package of a compiled core: the file, its name and for which machines it is. */
function packCore (file, to) {
  const name = file.replace(/^cloakroom\.|\.node$/g, '')
  const folder = join(to, name)
  const { version, license } = JSON.parse(readFileSync(join(HERE, 'package.json')))
  mkdirSync(folder)
  copyFileSync(join(HERE, file), join(folder, file))
  for (const text of ['LICENSE-MIT', 'LICENSE-APACHE']) copyFileSync(join(HERE, text), join(folder, text))
  writeFileSync(join(folder, 'README.md'), `# @cloakroom/${name}\n\nThe compiled core of [cloakroom](https://www.npmjs.com/package/cloakroom) for ${name}.\n`)
  const about = { name: `@cloakroom/${name}`, version, license, main: file, files: [file, 'LICENSE-MIT', 'LICENSE-APACHE'], engines: { node: '>=20' } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...about, ...platform(name) }, null, 2) + '\n')
  const packed = npmPack(folder, to)
  rmSync(folder, { recursive: true })
  return packed
}

/** Packs into a folder, and answers with the files. */
export function pack (to) {
  mkdirSync(to, { recursive: true })
  const cores = readdirSync(HERE).filter(file => /^cloakroom\..*\.node$/.test(file))
  if (cores.length === 0) throw new Error('there is no compiled core: run `cargo xtask node --release`')
  return { main: npmPack(HERE, to), cores: cores.map(file => packCore(file, to)) }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { main, cores } = pack(resolve(process.argv[2] ?? 'target/npm'))
  for (const file of [main, ...cores]) console.log(file)
}

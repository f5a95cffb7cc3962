// Where engines are installed, and how an install is complete or absent whatever interrupts it.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { interrupted, say } from './process.mjs'

const HOME =
  process.env.ENGINES_HOME || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'keelstate-engines')
const ATTEMPTS = 2 // registries hiccup
const ABANDONED_AFTER_MS = 2 * 3_600_000 // longer than any build may take

/**
 * Resolves to the folder `name` of the cache, and fills it when it is absent or `works(folder)` rejects: by `build(folder, tool)`, `tool`
 * being what `needs()` found on this machine.
 *
 * It is built under another name and renamed into place. Of two processes that build at once, one copy stays.
 */
export async function installed(name, { works, needs, build }) {
  await mkdir(HOME, { recursive: true })
  const folder = join(HOME, name)
  if (existsSync(folder)) {
    try {
      await works(folder)
      return folder
    } catch (error) {
      say(`${name}: installed again, because it does not work: ${error.message}`)
      await remove(folder)
    }
  }
  const tool = await needs()
  await removeAbandoned(name)
  for (let attempt = 1; ; attempt += 1) {
    const partial = await mkdtemp(`${folder}.partial-`)
    try {
      await build(partial, tool)
      await works(partial)
      await moveInto(folder, partial)
      return folder
    } catch (error) {
      await rm(partial, { recursive: true, force: true })
      if (attempt === ATTEMPTS || interrupted.aborted) throw error
      say(`${name}: trying once more: ${error.message}`)
    }
  }
}

async function moveInto(folder, partial) {
  try {
    await rename(partial, folder)
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes(error.code)) throw error
    await rm(partial, { recursive: true, force: true }) // somebody else was first
  }
}

/** Takes the folder out of the way in one step, so that nobody finds half of it. */
async function remove(folder) {
  const aside = `${folder}.partial-removed-${process.pid}`
  await rename(folder, aside).catch((error) => {
    if (error.code !== 'ENOENT') throw error
  })
  await rm(aside, { recursive: true, force: true })
}

async function removeAbandoned(name) {
  for (const entry of await readdir(HOME)) {
    if (!entry.startsWith(`${basename(name)}.partial-`)) continue
    const path = join(HOME, entry)
    const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs
    if (age > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true })
  }
}

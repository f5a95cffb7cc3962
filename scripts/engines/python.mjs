// Finding a Python that is new enough.
import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { firstThatRuns } from './process.mjs'

/** A Python of at least 3.`minor` with venv, for `purpose`: the one that the variable names, else the first that is found. */
export async function findPython({ minor, variable, purpose }) {
  const named = process.env[variable]
  const pyenv = join(process.env.PYENV_ROOT || join(homedir(), '.pyenv'), 'versions')
  const versions = existsSync(pyenv) ? readdirSync(pyenv).map((version) => join(pyenv, version, 'bin', 'python3')) : []
  const candidates = named
    ? [named]
    : ['python3', 'python3.13', 'python3.14', 'python3.15', '/usr/local/bin/python3', ...versions]
  const check = `import sys, venv, ensurepip; sys.exit(sys.version_info < (3, ${minor}))`
  const found = await firstThatRuns(candidates, ['-c', check])
  if (found !== undefined) return found
  throw new Error(
    named
      ? `${variable} names ${named}, which is not Python 3.${minor} or later with venv`
      : `${purpose} needs Python 3.${minor} or later with venv; ${variable} may name one`,
  )
}

/** Where a venv has its Python. */
export function pythonOf(venv) {
  return join(venv, 'bin', 'python')
}

/** What `pip install` is given for requirements that are pinned to the last one. */
export function pipInstall(requirements) {
  const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary', ':all:']
  return ['-m', 'pip', 'install', ...options, '--requirement', requirements]
}

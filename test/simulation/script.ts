import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('../../scripts/simulate.mjs', import.meta.url))

const FLAG = '--single-threaded-gc' // as package.json has it

/** Runs `npm run simulate`. */
export function simulate(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [FLAG, SCRIPT, ...args], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code
      if (typeof code === 'number') resolve({ code, stdout, stderr })
      else reject(error)
    })
  })
}

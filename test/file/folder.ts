import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/**
 * A folder of the running test's own, removed when the test ends.
 *
 * @param onFinished Of the test's own context, where tests run at the same time: which of them is running nobody else knows.
 */
export async function testFolder(onFinished: typeof onTestFinished = onTestFinished): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'keelstate-file-'))
  onFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

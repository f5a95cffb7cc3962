// Google Cloud Storage, with one write a second of each object, in a process of its own: prints a store's address, and serves until it is killed.
import { startGcs } from '../../clouds.ts'

const { address } = await startGcs({ versioning: true, oneWriteASecond: true })
process.stdout.write(`${address}\n`)

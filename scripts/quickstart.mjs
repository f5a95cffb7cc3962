// Shows what keelstate does, with real deployment states: npm run quickstart [-- --keep]
//
// Works in a new folder under the system's temporary one. With KEELSTATE_STORE set (s3://bucket/prefix?region=…, gs://bucket/prefix) the same commands run against
// that store, below a prefix of their own. Both are removed at the end unless --keep is given. Exits non-zero when anything is not as it should be.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('..', import.meta.url))
const keelstate = join(repository, 'bin', 'keelstate.cjs')
const keep = process.argv.includes('--keep')
const folder = mkdtempSync(join(tmpdir(), 'keelstate-quickstart-'))
const address = storeAddress(process.env.KEELSTATE_STORE)
const env = { ...process.env, KEELSTATE_STORE: '', KEELSTATE_KEYS: '', XDG_STATE_HOME: join(folder, 'remembered') }

/** A store of its own below the address, so that a second run begins afresh. */
function storeAddress(base) {
  if (!base) return 'file:./state'
  if (base === 'memory:')
    fail('memory: ends with each command; set KEELSTATE_STORE to s3://…, gs://… or file:…, or leave it out.')
  const [place, ...query] = base.split('?')
  return [`${place.replace(/\/+$/, '')}/quickstart-${Date.now().toString(36)}`, ...query].join('?')
}

function fail(message) {
  process.stderr.write(`quickstart: ${message}\n`)
  if (!keep) rmSync(folder, { recursive: true, force: true })
  process.exit(1)
}

function say(text) {
  process.stdout.write(`\n# ${text}\n`)
}

function quoted(argument) {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`
}

/** Runs one command line as a user would, both its streams straight to our stdout. */
function run(args, { exit = 0 } = {}) {
  process.stdout.write(`\n$ keelstate ${args.map(quoted).join(' ')}\n`)
  const { status, error } = spawnSync(process.execPath, [keelstate, ...args], {
    cwd: folder,
    env,
    stdio: ['ignore', 1, 1], // one transcript: what it says beside what it answers
  })
  if (error) fail(error.message)
  if (status !== exit) fail(`that should have ended with exit code ${exit}, and ended with ${status}.`)
  if (exit !== 0) process.stdout.write(`(exit code ${status}, as it should be)\n`)
}

function write(file, content) {
  writeFileSync(join(folder, file), content)
}

function mustEqual(file, expected, what) {
  if (!readFileSync(join(folder, file)).equals(Buffer.from(expected))) fail(`${file} is not ${what}.`)
  process.stdout.write(`(${file} is ${what}, byte for byte)\n`)
}

/** The deployment states of test/vectors/layout-000.json, as their original program wrote them, oldest first. */
function deployments() {
  const files = JSON.parse(readFileSync(join(repository, 'test/vectors/layout-000.json'), 'utf8'))
  const index = JSON.parse(Buffer.from(files['index.json'], 'base64').toString())
  return index.cases.map(({ factory, stack, written, plain }) => ({
    name: `${factory}/${stack}`,
    states: written.map((rev) => ({ rev, body: plain.find((one) => one.rev === rev).plain })),
  }))
}

/** Removes the store that this run made; of a bucket, everything below its own prefix. */
async function removeStore() {
  if (address.startsWith('gs:')) return await removeFromGcs()
  if (!address.startsWith('s3:')) {
    const path = address.slice('file:'.length)
    rmSync(path.startsWith('/') ? path : join(folder, path), { recursive: true, force: true })
    return
  }
  // Past the library, which never deletes a head: a document that somebody may remember must not vanish.
  const { parseS3Address } = await import('../dist/s3/index.js')
  const { S3Client, ListObjectsV2Command, DeleteObjectsCommand } = await import('@aws-sdk/client-s3')
  const { bucket: Bucket, prefix, region, endpoint } = parseS3Address(address)
  const client = new S3Client({ ...(region && { region }), ...(endpoint && { endpoint, forcePathStyle: true }) })
  for (;;) {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: `${prefix}/` }))
    if (Contents.length === 0) break
    const Objects = Contents.map(({ Key }) => ({ Key }))
    await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }))
  }
  client.destroy()
}

async function removeFromGcs() {
  const { parseGcsAddress } = await import('../dist/gcs/index.js')
  const { Storage } = await import('@google-cloud/storage')
  const { bucket, prefix, endpoint } = parseGcsAddress(address)
  const storage = new Storage(endpoint === undefined ? {} : { apiEndpoint: endpoint })
  const [files] = await storage.bucket(bucket).getFiles({ prefix: `${prefix}/` })
  for (const file of files) await file.delete()
}

const all = deployments()
const terraform = readFileSync(join(repository, 'examples/terraform.tfstate'), 'utf8')

say(`A new store at ${address.split('?')[0]}, and a key of its own`)
run(['init', '--store', address, '--new-key', 'state.key'])

say('Deployment states of two stacks, each version as it was written then')
for (const { name, states } of all) {
  for (const { rev, body } of states) {
    const file = `${name.replace('/', '-')}.json`
    write(file, body)
    run(['push', name, file, '-m', `state of ${rev}`])
  }
}

say('A Terraform state; then a change of it, pushed on the revision it was made from')
write('terraform.tfstate', terraform)
run(['push', 'network/terraform', 'terraform.tfstate', '-m', 'first apply', '--parent', 'none'])
const changed = terraform
  .replace('"serial": 7', '"serial": 8')
  .replace('"map_public_ip_on_launch": false', '"map_public_ip_on_launch": true')
write('terraform.tfstate', changed)
run(['push', 'network/terraform', 'terraform.tfstate', '-m', 'public addresses in eu-west-1a', '--parent', '@1'])

say('The same bytes again make no revision; a push on a parent that is not current any more is refused')
run(['push', 'network/terraform', 'terraform.tfstate'])
write('stale.tfstate', terraform.replace('"serial": 7', '"serial": 9'))
run(['push', 'network/terraform', 'stale.tfstate', '--parent', '@1'], { exit: 3 })

say('What there is')
run(['list'])
const prod = all[0]
run(['status', prod.name])
run(['history', prod.name])
run(['diff', 'network/terraform'])

say('Name a good revision; go back to it; history says so')
run(['label', prod.name, 'good', '@1'])
run(['rollback', prod.name, 'good', '-m', 'the last two were wrong'])
run(['history', prod.name])
run(['pull', prod.name, '-o', 'pulled.json'])
mustEqual('pulled.json', prod.states[0].body, `the state of ${prod.states[0].rev}`)
run(['pull', 'network/terraform', '--rev', 'current~1', '-o', 'pulled.tfstate'])
mustEqual('pulled.tfstate', terraform, 'the state before the change')

say('Read and check everything that was written')
run(['verify', '--all'])

if (keep) {
  say(`Kept: ${folder}${/^(s3|gs):/.test(address) ? `, and the store ${address}` : ''}`)
} else {
  await removeStore().catch((error) => fail(`${address} could not be removed: ${error.message}`))
  rmSync(folder, { recursive: true, force: true })
  say('Done; everything was removed again. Run it with -- --keep to look around.')
}

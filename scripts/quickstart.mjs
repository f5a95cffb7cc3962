// Shows what keelstate does, with real deployment states: npm run quickstart [-- --keep]
//
// Works in a new folder under the system's temporary one. With KEELSTATE_STORE set (s3://bucket/prefix?region=…, gs://bucket/prefix) the same commands
// run against that store, below a prefix of their own, and with KEELSTATE_LOCK set (dynamodb://table?region=…) they lock there. All of it is removed at the
// end unless --keep is given. Exits non-zero when anything is not as it should be.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('..', import.meta.url))
const keelstate = join(repository, 'bin', 'keelstate.cjs')
const keep = process.argv.includes('--keep')
const folder = mkdtempSync(join(tmpdir(), 'keelstate-quickstart-'))
const address = storeAddress(process.env.KEELSTATE_STORE)
const lockAddress = process.env.KEELSTATE_LOCK
const env = {
  ...process.env,
  ...Object.fromEntries(['STORE', 'LOCK', 'KEYS', 'OWNER', 'WAIT'].map((name) => [`KEELSTATE_${name}`, ''])),
  XDG_STATE_HOME: join(folder, 'remembered'),
}

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

/** Runs one that prints what others need, such as an owner id; shows it and returns it. */
function ask(args) {
  process.stdout.write(`\n$ keelstate ${args.map(quoted).join(' ')}\n`)
  const { status, stdout } = spawnSync(process.execPath, [keelstate, ...args], {
    cwd: folder,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 1],
  })
  process.stdout.write(stdout)
  if (status !== 0) fail(`that should have ended with exit code 0, and ended with ${status}.`)
  return stdout.trim()
}

function write(file, content) {
  mkdirSync(dirname(join(folder, file)), { recursive: true })
  writeFileSync(join(folder, file), content, { mode: 0o600 })
}

function mustEqual(file, expected, what) {
  if (!readFileSync(join(folder, file)).equals(Buffer.from(expected))) fail(`${file} is not ${what}.`)
  process.stdout.write(`(${file} is ${what}, byte for byte)\n`)
}

/** The deployment states of test/vectors/layout-000.json: files of two trees as unobin v0.4.0 left them, one encrypted. */
function originals() {
  const files = JSON.parse(readFileSync(join(repository, 'test/vectors/layout-000.json'), 'utf8'))
  const { cases } = JSON.parse(Buffer.from(files['index.json'], 'base64').toString())
  delete files['index.json']
  for (const [path, content] of Object.entries(files)) write(join('trees', path), Buffer.from(content, 'base64'))
  return cases.map(({ root, factory, stack, key_b64, current, plain }) => ({
    tree: `trees/${root}`,
    name: `${factory}/${stack}`,
    key: key_b64,
    current,
    revisions: plain,
    files: Object.keys(files).filter((path) => path.startsWith(`${root}/`) && !path.endsWith('/lock')),
  }))
}

/** Removes the store that this run made; of a bucket, everything below its own prefix; of a table, the items of its own store. */
async function removeStore() {
  if (lockAddress?.startsWith('dynamodb:')) await removeLocks()
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

async function removeLocks() {
  const { parseDynamoDbAddress } = await import('../dist/locking/index.js')
  const { DynamoDBClient, QueryCommand, DeleteItemCommand } = await import('@aws-sdk/client-dynamodb')
  const { table: TableName, region, endpoint } = parseDynamoDbAddress(lockAddress)
  const { storeId } = JSON.parse(readFileSync(join(folder, 'keelstate.json'), 'utf8'))
  const client = new DynamoDBClient({ ...(region && { region }), ...(endpoint && { endpoint }) })
  const ofThisStore = {
    KeyConditionExpression: '#store = :store',
    ExpressionAttributeNames: { '#store': 'store' },
    ExpressionAttributeValues: { ':store': { S: storeId } },
  }
  const { Items = [] } = await client.send(new QueryCommand({ TableName, ConsistentRead: true, ...ofThisStore }))
  for (const { store, document } of Items)
    await client.send(new DeleteItemCommand({ TableName, Key: { store, document } }))
  client.destroy()
}

const [prod, staging] = originals()
const terraform = readFileSync(join(repository, 'examples/terraform.tfstate'), 'utf8')

say(`A new store at ${address.split('?')[0]}, and a key of its own`)
run(['init', '--store', address, ...(lockAddress ? ['--lock', lockAddress] : []), '--new-key', 'state.key'])
if (/[?&]endpoint=/.test(address) && !/[?&]conditionalWrites=trusted/.test(address)) {
  say('A service that is not AWS or Google proves first that locks are safe in it')
  run(['doctor'])
}

say('Deployment state that unobin v0.4.0 wrote: history, names, times and what is current come along')
run(['import', 'unobin', prod.tree])
env.UB_STATE_KEY = staging.key
run(['import', 'unobin', staging.tree, '--env-key', 'UB_STATE_KEY'], { exit: 4 })
process.stdout.write('(somebody holds the lock of that tree; here it is known that nobody is at work any more)\n')
run(['import', 'unobin', staging.tree, '--env-key', 'UB_STATE_KEY', '--force'])
say('And go back, byte for byte, for as long as both are in use')
run(['export', 'unobin', 'exported', prod.name])
for (const path of prod.files) {
  const file = path.slice(path.indexOf('/') + 1)
  mustEqual(`exported/${file}`, readFileSync(join(folder, 'trees', path)), 'the original')
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
run(['status', prod.name])
run(['history', prod.name])
run(['diff', prod.name])
run(['diff', 'network/terraform'])
run(['entries', 'list', prod.name])

say('Name a good revision; go back to it; history says so')
run(['label', prod.name, 'good', '@1'])
run(['rollback', prod.name, 'good', '-m', 'the last two were wrong'])
run(['history', prod.name])
run(['pull', prod.name, '-o', 'pulled.json'])
const { rev, plain } = prod.revisions.find(({ rev }) => rev.endsWith('.12Z')) // the oldest by its name
mustEqual('pulled.json', plain, `the state of ${rev}`)
run(['pull', 'network/terraform', '--rev', 'current~1', '-o', 'pulled.tfstate'])
mustEqual('pulled.tfstate', terraform, 'the state before the change')

say('One at a time: while somebody holds the lock, others wait or are turned away')
const owner = ask(['lock', prod.name, '--for', '10m', '--reason', 'migration by hand'])
run(['push', prod.name, 'pulled.json', '--wait', '0'], { exit: 4 })
run(['label', prod.name, 'before-migration', '--owner', owner])
run(['unlock', prod.name, '--owner', owner])

say(
  'A deployment is paused in the middle, as on a laptop that was closed; its lock is broken, and somebody else goes on',
)
write('late.tfstate', terraform.replace('"serial": 7', '"serial": 66'))
write(
  'deploy.mjs',
  `import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
writeFileSync('started', '')
while (!existsSync('go')) await new Promise((resolve) => setTimeout(resolve, 50))
const push = ['push', 'network/terraform', 'late.tfstate', '-m', 'too late']
process.exit(spawnSync(process.execPath, [process.argv[2], ...push], { stdio: 'inherit' }).status)
`,
)
const deploy = ['lock', 'network/terraform', '--reason', 'deployment', '--', process.execPath, 'deploy.mjs', keelstate]
process.stdout.write('\n$ keelstate lock network/terraform --reason deployment -- node deploy.mjs &\n')
const zombie = spawn(process.execPath, [keelstate, ...deploy], { cwd: folder, env, stdio: ['ignore', 1, 1] })
const zombieEnded = once(zombie, 'exit')
while (!existsSync(join(folder, 'started'))) {
  if (zombie.exitCode !== null) fail('the deployment did not start.')
  await new Promise((resolve) => setTimeout(resolve, 50))
}
zombie.kill('SIGSTOP')
run(['unlock', 'network/terraform'], { exit: 4 })
const { lock } = JSON.parse(ask(['status', 'network/terraform', '--json']))
run(['unlock', 'network/terraform', '--owner', lock.owner])
write('next.tfstate', changed.replace('"serial": 8', '"serial": 9'))
run(['push', 'network/terraform', 'next.tfstate', '-m', 'by the successor'])
process.stdout.write('\n(the deployment wakes up, and pushes what it has)\n')
write('go', '')
zombie.kill('SIGCONT')
const [zombieExit] = await zombieEnded
if (zombieExit !== 4) fail(`the deployment should have ended with exit code 4, and ended with ${zombieExit}.`)
process.stdout.write('(exit code 4, as it should be: nothing of it was written)\n')
run(['history', 'network/terraform', '--limit', '2'])
run(['locks'])

say('Read and check everything that was written')
run(['verify', '--all'])

if (keep) {
  say(`Kept: ${folder}${/^(s3|gs):/.test(address) ? `, and the store ${address}` : ''}`)
} else {
  await removeStore().catch((error) => fail(`${address} could not be removed: ${error.message}`))
  rmSync(folder, { recursive: true, force: true })
  say('Done; everything was removed again. Run it with -- --keep to look around.')
}

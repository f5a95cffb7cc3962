// A 10 MB body against its own floor in the same run: Brotli quality 1, AES-256-GCM, SHA-256, one copy, and nothing else.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import { bytes } from 'keelstate'
import { MemoryBucket, memoryStore } from 'keelstate/memory'
import { cpuMs, median } from './measure.mjs'
import { openDocument } from './subject.mjs'

export async function large({ rounds, slack }) {
  const body = state(10_000)
  const bucket = new MemoryBucket()
  const writer = await openDocument(memoryStore({ bucket }), bytes('json'))
  const runs = { commit: [], write: [], read: [], open: [] }
  for (let round = 0; round <= rounds; round++) {
    const sealed = {}
    runs.write.push(await cpuMs(() => Object.assign(sealed, writeFloor(body))))
    runs.commit.push(await cpuMs(() => writer.commit(body, { parent: 'any' })))
    runs.open.push(await cpuMs(() => readFloor(sealed)))
    const reader = await openDocument(memoryStore({ bucket }), bytes('json')) // a new process: nothing is cached
    runs.read.push(await cpuMs(() => reader.read()))
  }
  const ratio = (a, b) => median(a.slice(1)) / median(b.slice(1))
  const megabytes = `${(body.length / 1e6).toFixed(0)} MB`
  return [
    {
      name: `commit of ${megabytes} ÷ its primitives`,
      unit: 'ratio',
      measured: ratio(runs.commit, runs.write),
      limit: 2 * slack,
    },
    {
      name: `read of ${megabytes} ÷ its primitives`,
      unit: 'ratio',
      measured: ratio(runs.read, runs.open),
      limit: 3 * slack,
    },
  ]
}

/** A deployment state of 1 kB a resource, with the repetition and the chance that real ones have: Brotli makes it about 9 times smaller. */
function state(resources) {
  const id = () => randomBytes(9).toString('hex').slice(1)
  const entries = Array.from({ length: resources }, (_, n) => ({
    address: `module.network.aws_subnet.private[${n}]`,
    type: 'aws_subnet',
    provider: 'provider["registry.opentofu.org/hashicorp/aws"]',
    attributes: {
      id: `subnet-${id()}`,
      arn: `arn:aws:ec2:eu-west-1:123456789012:subnet/subnet-${id()}`,
      vpc_id: `vpc-${id()}`,
      cidr_block: `10.${n >> 8}.${n & 255}.0/24`,
      ipv6_cidr_block: `2a05:d018:${randomBytes(2).toString('hex')}:${randomBytes(2).toString('hex')}::/64`,
      availability_zone: `eu-west-1${'abc'[n % 3]}`,
      map_public_ip_on_launch: false,
      private_dns_hostname_type_on_launch: 'ip-name',
      tags: {
        Name: `private-${n}`,
        team: 'platform',
        stage: 'prod',
        managed: 'keelstate',
        cost_center: id(),
        owner: id(),
        ticket: id(),
      },
      timeouts: { create: '10m', delete: '20m' },
      note: 'A private subnet behind the shared transit gateway; routes are attached by the account baseline, not here. '.repeat(
        2,
      ),
    },
    dependencies: ['module.network.aws_vpc.main', 'module.network.aws_vpc_ipv6_cidr_block_association.main'],
  }))
  return Buffer.from(JSON.stringify({ version: 4, serial: 1, resources: entries }))
}

const key = randomBytes(32)

function writeFloor(body) {
  createHash('sha256').update(body).digest() // the revision's digest
  createHash('sha256').update(body).digest() // the message id's
  const packed = brotliCompressSync(body, {
    chunkSize: 1 << 20,
    params: { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
  })
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const sealed = Buffer.concat([cipher.update(packed), cipher.final()])
  createHash('sha256').update(sealed).digest() // the reference's
  return { nonce, sealed, tag: cipher.getAuthTag(), copy: Uint8Array.from(body) }
}

function readFloor({ nonce, sealed, tag }) {
  createHash('sha256').update(sealed).digest()
  const decipher = createDecipheriv('aes-256-gcm', key, nonce)
  decipher.setAuthTag(tag)
  const body = brotliDecompressSync(Buffer.concat([decipher.update(sealed), decipher.final()]), { chunkSize: 1 << 20 })
  return Uint8Array.from(body)
}

// Deployments as engines have them: entries of about 1 kB, with the repetition and the chance that real ones have.
import { randomBytes } from 'node:crypto'
import { newSnapshot } from 'keelstate/deployments'

const id = () => randomBytes(9).toString('hex').slice(1)

export function entry(n) {
  return {
    address: `module.network.aws_subnet.private[${n}]`,
    type: 'leaf',
    kind: 'aws.subnet',
    schemaVersion: 1,
    inputs: {
      availability_zone: `eu-west-1${'abc'[n % 3]}`,
      cidr_block: `10.${n >> 8}.${n & 255}.0/24`,
      map_public_ip_on_launch: false,
      note: 'A private subnet behind the shared transit gateway; routes are attached by the account baseline.',
      tags: {
        Name: `private-${n}`,
        cost_center: id(),
        managed: 'keelstate',
        owner: id(),
        stage: 'prod',
        team: 'platform',
        ticket: id(),
      },
    },
    outputs: {
      arn: `arn:aws:ec2:eu-west-1:123456789012:subnet/subnet-${id()}`,
      id: `subnet-${id()}`,
      private_dns_hostname_type_on_launch: 'ip-name',
      timeouts: { create: '10m', delete: '20m' },
      vpc_id: `vpc-${id()}`,
    },
    dependsOn: ['module.network.aws_vpc.main', 'module.network.aws_vpc_ipv6_cidr_block_association.main'],
  }
}

export function snapshot(entries) {
  const made = newSnapshot({ name: 'shop', version: '1.4.0', contentRevision: 'dd1b0010' }, 'prod')
  made.entries = Array.from({ length: entries }, (_, n) => entry(n))
  return made
}

import { describe, expect, it } from 'vitest'
import { s3Store } from '../../src/s3/index.ts'

const needsProof = (host: string) => s3Store({ bucket: 'state', endpoint: `https://${host}` }).capabilities.proofNeeded

describe('a store in a bucket needs no proof', () => {
  it('on AWS itself, or where the address says that the service is trusted', () => {
    expect(s3Store({ bucket: 'state' }).capabilities.proofNeeded).toBe(false)
    const trusted = s3Store({ bucket: 'state', endpoint: 'https://minio.example', conditionalWrites: 'trusted' })
    expect(trusted.capabilities.proofNeeded).toBe(false)
  })

  it.each([
    's3.amazonaws.com',
    's3.eu-west-1.amazonaws.com',
    's3-eu-west-1.amazonaws.com',
    's3-external-1.amazonaws.com',
    's3.dualstack.us-east-1.amazonaws.com',
    's3-fips.us-gov-west-1.amazonaws.com',
    's3-fips.dualstack.us-gov-west-1.amazonaws.com',
    's3.cn-north-1.amazonaws.com.cn',
    'state.s3-accelerate.amazonaws.com',
    'prod-111122223333.s3-accesspoint.eu-west-1.amazonaws.com',
    'bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com',
    'bucket.vpce-1a2b-5c6d-us-east-1a.s3.us-east-1.vpce.amazonaws.com',
  ])('at %s', (host) => {
    expect(needsProof(host)).toBe(false)
  })
})

describe('a store in a bucket has to be proven', () => {
  it.each([
    'minio.example',
    'amazonaws.com.example',
    's3.eu-west-1.amazonaws.com.example',
    'mys3.amazonaws.com',
    'ec2-203-0-113-7.eu-west-1.compute.amazonaws.com:9000',
    'ec2-203-0-113-7.compute-1.amazonaws.com',
    'minio-42.eu-west-1.elb.amazonaws.com',
    's3-minio-42.eu-west-1.elb.amazonaws.com',
    's3.execute-api.eu-west-1.amazonaws.com',
    'abc.execute-api.eu-west-1.amazonaws.com',
    'vpce-1a2b-5c6d.vpce-svc-9e8f.eu-west-1.vpce.amazonaws.com',
  ])('at %s, where anybody may answer', (host) => {
    expect(needsProof(host)).toBe(true)
  })
})

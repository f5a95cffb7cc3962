import { type S3Answer, S3Refusal, type S3RefusalCode } from './answers.ts'

/** Settings of a bucket that can be asked for, each with the answer to it where nothing is set. */
export type BucketSetting = 'lifecycle' | 'publicAccessBlock' | 'policyStatus' | 'policy' | 'encryption'

/** The documents of a bucket's settings, as they are put: XML, and JSON for the policy. */
export type BucketSettings = Readonly<Partial<Record<BucketSetting, string>>>

const UNSET: Record<BucketSetting, S3RefusalCode> = {
  lifecycle: 'NoSuchLifecycleConfiguration',
  publicAccessBlock: 'NoSuchPublicAccessBlockConfiguration',
  policyStatus: 'NoSuchBucketPolicy',
  policy: 'NoSuchBucketPolicy',
  encryption: 'ServerSideEncryptionConfigurationNotFoundError',
}

export function settingAnswer(settings: BucketSettings, name: BucketSetting): S3Answer {
  const document = settings[name]
  if (document === undefined) throw new S3Refusal(UNSET[name])
  const type = name === 'policy' ? 'application/json' : 'application/xml'
  return { status: 200, headers: { 'content-type': type }, body: Buffer.from(document) }
}

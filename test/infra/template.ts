import { readFileSync } from 'node:fs'
import { type CollectionTag, parse, type ScalarTag, type YAMLSeq } from 'yaml'

/** infra/aws/keelstate.yaml, as text. */
export const TEMPLATE: string = readFileSync(new URL('../../infra/aws/keelstate.yaml', import.meta.url), 'utf8')

/** An allow or deny of a policy document, each list a list. */
export interface Statement {
  readonly Sid: string
  readonly Effect: 'Allow' | 'Deny'
  readonly Principal?: '*'
  readonly Action: readonly string[]
  readonly Resource: readonly string[]
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

interface Parameter {
  readonly Default?: string | number
}

interface RawTemplate {
  readonly Parameters: Readonly<Record<string, Parameter>>
  readonly Conditions: Readonly<Record<string, unknown>>
  readonly Resources: Readonly<Record<string, { Type: string; DeletionPolicy?: string; Properties: unknown }>>
  readonly Outputs: Readonly<Record<string, { Value: unknown }>>
}

const NO_VALUE = Symbol('AWS::NoValue')

/** What CloudFormation's short forms stand for: `!Ref X` is `{ Ref: X }`, `!Sub X` is `{ Fn::Sub: X }`. */
const SHORT_FORMS: (ScalarTag | CollectionTag)[] = ['Equals', 'If', 'Not', 'Sub', 'GetAtt', 'Ref'].flatMap((name) => {
  const long = name === 'Ref' ? name : `Fn::${name}`
  const tag = `!${name}`
  return [
    { tag, resolve: (text: string) => ({ [long]: text }) },
    { tag, collection: 'seq', resolve: (items: unknown) => ({ [long]: (items as YAMLSeq).toJSON() }) },
  ]
})

/** The template with its functions evaluated for these parameters, as if bucket, table and key had been made. */
export class Template {
  readonly #raw: RawTemplate
  readonly #references: Readonly<Record<string, unknown>>
  readonly #attributes: Readonly<Record<string, string>>

  constructor(parameters: Readonly<Record<string, string | number>> = {}) {
    this.#raw = parse(TEMPLATE, { customTags: SHORT_FORMS }) as RawTemplate
    const unknown = Object.keys(parameters).filter((name) => !Object.hasOwn(this.#raw.Parameters, name))
    if (unknown.length > 0) throw new Error(`the template has no parameter ${unknown}`)
    const set = Object.fromEntries(
      Object.entries(this.#raw.Parameters).map(([name, one]) => [name, parameters[name] ?? one.Default]),
    )
    const bucket = set.BucketName || 'made-up-bucket'
    const table = set.LockTableName || 'made-up-table'
    const id = '1234abcd-12ab-34cd-56ef-1234567890ab'
    this.#references = {
      ...set,
      'AWS::NoValue': NO_VALUE,
      'AWS::Region': 'eu-west-1',
      'AWS::AccountId': '111122223333',
      'AWS::Partition': 'aws',
      Bucket: bucket,
      LockTable: table,
      Key: id,
      Alias: `alias/${set.KeyAlias}`,
      Reader: 'arn:aws:iam::111122223333:policy/reader',
      Writer: 'arn:aws:iam::111122223333:policy/writer',
      Maintainer: 'arn:aws:iam::111122223333:policy/maintainer',
    }
    this.#attributes = {
      'Bucket.Arn': `arn:aws:s3:::${bucket}`,
      'LockTable.Arn': `arn:aws:dynamodb:eu-west-1:111122223333:table/${table}`,
      'Key.Arn': `arn:aws:kms:eu-west-1:111122223333:key/${id}`,
    }
  }

  get resources(): readonly (readonly [name: string, type: string, deletionPolicy: string | undefined])[] {
    return Object.entries(this.#raw.Resources).map(([name, { Type, DeletionPolicy }]) => [name, Type, DeletionPolicy])
  }

  properties<T>(resource: string): T {
    return this.#value(this.#raw.Resources[resource]!.Properties) as T
  }

  output(name: string): string {
    return this.#value(this.#raw.Outputs[name]!.Value) as string
  }

  get outputs(): readonly string[] {
    return Object.keys(this.#raw.Outputs)
  }

  /** The statements of a policy, lists made of what stands alone. */
  statements(resource: string): Statement[] {
    const { PolicyDocument } = this.properties<{ PolicyDocument: { Statement: Record<string, unknown>[] } }>(resource)
    return PolicyDocument.Statement.map(
      (one) => ({ ...one, Action: [one.Action].flat(), Resource: [one.Resource].flat() }) as unknown as Statement,
    )
  }

  #value(node: unknown): unknown {
    if (Array.isArray(node)) return node.map((one) => this.#value(one)).filter((one) => one !== NO_VALUE)
    if (typeof node !== 'object' || node === null) return node
    const entries = Object.entries(node)
    const [[name, argument] = ['', undefined], ...others] = entries
    if (others.length === 0 && name === 'Ref') return this.#reference(argument as string)
    if (others.length === 0 && name.startsWith('Fn::')) return this.#function(name, argument)
    const values = entries.map(([key, one]) => [key, this.#value(one)] as const)
    return Object.fromEntries(values.filter(([, one]) => one !== NO_VALUE))
  }

  #reference(name: string, more: Readonly<Record<string, unknown>> = {}): unknown {
    const known = { ...this.#attributes, ...this.#references, ...more }
    if (!Object.hasOwn(known, name)) throw new Error(`the template refers to ${name}, which this test does not know`)
    return known[name]
  }

  #function(name: string, argument: unknown): unknown {
    const list = Array.isArray(argument) ? argument : [argument]
    switch (name) {
      case 'Fn::If':
        return this.#value(this.#value(this.#raw.Conditions[list[0] as string]) ? list[1] : list[2])
      case 'Fn::Equals':
        return this.#value(list[0]) === this.#value(list[1])
      case 'Fn::Not':
        return !this.#value(list[0])
      case 'Fn::GetAtt':
        return this.#reference(list[0] as string)
      case 'Fn::Sub': {
        const more = (this.#value(list[1]) ?? {}) as Record<string, unknown>
        return (list[0] as string).replace(/\$\{([^}]+)\}/g, (_, variable: string) =>
          String(this.#reference(variable, more)),
        )
      }
      default:
        throw new Error(`the template uses ${name}, which this test does not know`)
    }
  }
}

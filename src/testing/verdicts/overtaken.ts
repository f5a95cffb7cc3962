import { Trial, type TrialDocument, type VerdictCase } from './context.ts'
import { type Crowd, HEAD_WRITES, type HeadWrite } from './head-writes.ts'

/** Hundreds of writes of others between a write and the question what became of it: more than the head keeps the ids of. */

const KEPT_BY_PRUNE = 10
const SPILLS = 20 // commits after which the first ids have moved from the head to a segment

const crowds: Readonly<Record<Crowd, (document: TrialDocument, count: number) => Promise<void>>> = {
  async commits(document, count) {
    for (let n = 1; n <= count; n++) await document.commit(`other ${n}`, { parent: 'any', message: `other ${n}` })
  },
  async labels(document, count) {
    if ((await document.read()) === undefined) await document.commit('other', { parent: 'none' })
    for (let n = 1; n <= count; n++) await document.label('other', 'current')
  },
  async 'commits and a prune'(document, count) {
    await crowds.commits(document, count)
    await document.prune({ keepLast: KEPT_BY_PRUNE })
    await document.collect({ graceMs: 0 })
  },
}

function casesOf(kind: HeadWrite): VerdictCase[] {
  return (Object.keys(crowds) as Crowd[]).flatMap((crowd) => {
    const kept = crowd !== 'commits and a prune' && { kept: true }
    return [
      {
        name: `${kind.name}: its answer is lost, and it is asked for after ${crowd} of others`,
        needs: ['hold'],
        async run(context) {
          const trial = await Trial.prepare(context, kind)
          const { hold, ended } = await trial.beginHeld('after')
          // A label that others set may be of a revision that this very write dropped: they work on what there is.
          await trial.others((document) => crowds[crowd](document, context.others))
          await hold.drop()
          await trial.expect(await ended, 'ok', { landed: true, ...(kept || { kept: false }) })
        },
      },
      {
        name: `${kind.name}: it arrives after ${crowd} of others`,
        needs: ['hold'],
        async run(context) {
          const trial = await Trial.prepare(context, kind)
          const { hold, ended } = await trial.beginHeld('before')
          await trial.others((document) => crowds[crowd](document, context.others))
          await hold.release()
          const verdict = kind.overtaken[crowd]
          await trial.expect(await ended, verdict, { landed: verdict === 'ok', ...(kept || { kept: false }) })
        },
      },
    ] satisfies VerdictCase[]
  })
}

/** A tombstone drops the segments with the ids of earlier writes: what became of one cannot be told any more, and is not guessed. */
function forgotten(kind: HeadWrite): VerdictCase[] {
  return (['after', 'before'] as const).map((when) => ({
    name: `${kind.name}: it ${when === 'after' ? 'lands' : 'is lost'}, and is asked for after a delete and commits of others`,
    needs: ['hold'],
    async run(context) {
      const trial = await Trial.prepare(context, kind)
      const { hold, ended } = await trial.beginHeld(when)
      await trial.others(async (document) => {
        await crowds.commits(document, SPILLS)
        await document.delete()
        await crowds.commits(document, context.others)
      })
      await hold.drop()
      await trial.expect(await ended, 'OutcomeUnknown', { landed: when === 'after', kept: false, outcome: 'undecided' })
    },
  }))
}

export const overtakenCases: readonly VerdictCase[] = [
  ...HEAD_WRITES.flatMap(casesOf),
  ...HEAD_WRITES.flatMap(forgotten),
]

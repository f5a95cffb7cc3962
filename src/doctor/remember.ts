import { KeelstateError } from '../core/errors.ts'
import type { Finding } from '../core/inspection.ts'
import { encodeProof, proofKey, readProof } from '../core/proof.ts'
import type { Bench } from './bench.ts'

const LEAST_ROUNDS = 10 // a service where a race in five has two winners passes fewer than that too often to be let locks in for good

/**
 * Keeps the proof where there is none; takes it away when the store turned out to be what it said it was not. What is in the way of either is added to
 * the findings.
 *
 * @returns whether a proof lies in the store in the end.
 */
export async function remember(
  bench: Bench,
  findings: Finding[],
  outcome: 'proven' | 'disproven' | 'open',
): Promise<boolean> {
  if (bench.store.capabilities.provable === false) {
    if (outcome === 'proven') findings.push(UNPROVABLE)
    return false
  }
  try {
    return outcome === 'disproven' ? await takeBack(bench) : await keep(bench, findings, outcome === 'proven')
  } catch (error) {
    if (!KeelstateError.is(error) || error.code === 'Aborted') throw error
    findings.push(outcome === 'disproven' ? notTakenBack(bench, error) : notKept(error))
    return outcome === 'disproven'
  }
}

async function keep(bench: Bench, findings: Finding[], proven: boolean): Promise<boolean> {
  const { store, environment, writers, rounds } = bench
  if (await isThere(bench)) return true
  if (!proven) return false
  if (rounds < LEAST_ROUNDS) {
    findings.push(tooShort(bench))
    return false
  }
  const at = new Date(environment.now()).toISOString()
  const proof = encodeProof({ address: store.address, at, writers, rounds })
  await bench.write(proofKey(store.address), proof, { ifAbsent: true })
  return await isThere(bench)
}

async function takeBack(bench: Bench): Promise<false> {
  if (await isThere(bench)) await bench.remove([proofKey(bench.store.address)])
  return false
}

async function isThere(bench: Bench): Promise<boolean> {
  const key = proofKey(bench.store.address)
  return (await bench.deadline().repeat('doctor.read', key, 0, (call) => readProof(bench.store, call))) !== undefined
}

const UNPROVABLE: Finding = {
  check: 'proof',
  verdict: 'warning',
  says: 'What was found out is not remembered: the client has an endpoint of its own, which the address does not say.',
  todo: "Give the store the endpoint instead of a client, or say conditionalWrites: 'trusted'.",
}

function tooShort({ store, rounds }: Bench): Finding {
  return {
    check: 'proof',
    verdict: store.capabilities.proofNeeded === true ? 'warning' : 'ok',
    says: `A run of fewer than ${LEAST_ROUNDS} rounds (this one: ${rounds}) is not remembered.`,
    todo: `Run it with ${LEAST_ROUNDS} rounds or more.`,
  }
}

function notKept({ message }: KeelstateError): Finding {
  return { check: 'proof', verdict: 'warning', says: `What was found out could not be kept in the store: ${message}` }
}

function notTakenBack({ store }: Bench, { message }: KeelstateError): Finding {
  return {
    check: 'proof',
    verdict: 'unsafe',
    says: `The proof of an earlier run may still let locks in: it could not be taken back. ${message}`,
    todo: `Delete ${proofKey(store.address)} below the store's prefix, or run doctor with credentials that may delete it.`,
  }
}

// How things are measured: CPU time of this process, the least of several turns: what others do to a machine only ever adds. Walls are taken only where
// the delay of requests is most of them.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** CPU time that `work` took, user and system, in ms. */
export async function cpuMs(work) {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** Elapsed ms of `work`. */
export async function wallMs(work) {
  const before = performance.now()
  await work()
  return performance.now() - before
}

/** CPU ms of one call of `work(n)`: the least of several batches, after one batch to warm up. */
export async function cpuPerCall(calls, batches, work) {
  let n = 0
  const batch = () =>
    cpuMs(async () => {
      for (let call = 0; call < calls; call++) await work(n++)
    })
  await batch()
  const times = []
  for (let at = 0; at < batches; at++) times.push((await batch()) / calls)
  return Math.min(...times)
}

/** The least CPU ms of each of several works, by name. They take turns, so that what slows the machine down slows all of them; the first turn warms up. */
export async function cpuOfEach(rounds, works) {
  const times = Object.fromEntries(Object.keys(works).map((name) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const [name, work] of Object.entries(works)) {
      const ms = await cpuMs(work)
      if (round > 0) times[name].push(ms)
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, each]) => [name, Math.min(...each)]))
}

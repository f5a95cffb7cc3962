// How things are measured: CPU time of this process, in batches, medians. Walls are of no use on a machine that others share.

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

/** Median CPU ms of one call of `work(n)`, over batches, after one batch to warm up. */
export async function cpuPerCall(calls, batches, work) {
  let n = 0
  const batch = () =>
    cpuMs(async () => {
      for (let call = 0; call < calls; call++) await work(n++)
    })
  await batch()
  const times = []
  for (let at = 0; at < batches; at++) times.push((await batch()) / calls)
  return median(times)
}

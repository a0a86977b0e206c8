/**
 * The difference between two versions of a text, without the lines around it: those of a client's settings may hold
 * other servers' secrets, and nobody needs them to see what is about to change.
 */

/** Beyond this many pairs of lines, what differs is shown as one change. */
const mostPairs = 4_000_000

type Step = readonly [sign: "-" | "+" | "=", line: string]

/** The shortest way from one list of lines to the other, by their longest common subsequence. */
const steps = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<Step> => {
  const [n, m] = [before.length, after.length]
  if (n * m > mostPairs) return [...before.map((one): Step => ["-", one]), ...after.map((one): Step => ["+", one])]
  const common = Array.from({ length: n + 1 }, () => new Uint32Array(m + 1))
  for (let i = n - 1; i >= 0; i -= 1) {
    for (let j = m - 1; j >= 0; j -= 1) {
      common[i]![j] =
        before[i] === after[j] ? common[i + 1]![j + 1]! + 1 : Math.max(common[i + 1]![j]!, common[i]![j + 1]!)
    }
  }
  const found: Array<Step> = []
  for (let i = 0, j = 0; i < n || j < m;) {
    if (i < n && j < m && before[i] === after[j]) {
      found.push(["=", before[i]!])
      i += 1
      j += 1
    } else if (j === m || (i < n && common[i + 1]![j]! >= common[i]![j + 1]!)) found.push(["-", before[i++]!])
    else found.push(["+", after[j++]!])
  }
  return found
}

/** Hunks with the line of the new text at which each begins; an empty text where nothing differs. */
export const textDiff = (before: string, after: string): string => {
  const [old, now] = [before, after].map((text) => (text === "" ? [] : text.replace(/\r?\n$/, "").split(/\r?\n/)))
  const shown: Array<string> = []
  let line = 0
  let isOpen = false
  for (const [sign, text] of steps(old!, now!)) {
    if (sign !== "-") line += 1
    if (sign !== "=") {
      if (!isOpen) shown.push(`@@ line ${sign === "-" ? line + 1 : line} @@`)
      shown.push(`${sign} ${text.replaceAll("\t", "  ")}`)
    }
    isOpen = sign !== "="
  }
  return shown.join("\n")
}

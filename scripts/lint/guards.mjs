/**
 * The lint rule that keeps callbacks of the platform and of fibers inside a guard: in `src/actors` and `src/http`,
 * listeners, observers and timers are set by `src/domain/Guard.ts` alone. No fiber stands around them, so a throw in a bare one ends the
 * process.
 *
 * oxlint loads this file as a plugin (`jsPlugins` in .oxlintrc.json), on Node and on Deno.
 */
const setters = new Set(["on", "once", "addListener", "prependListener", "prependOnceListener", "addObserver"])
const timers = new Set(["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "nextTick"])
/** A process of its own, whose end the hub hears of as it does of any child's. */
const program = "/src/actors/upstream/spawner/child-spawner.ts"
/** Runs in browsers. */
const app = "/src/http/dashboard/app/"
/** As a member it is a socket's; without a callback it only sets the time. */
const isTimer = (name, call, isMember) =>
  timers.has(name) && !(isMember && name === "setTimeout" && call.arguments.length < 2)

const nameOf = (callee) => {
  if (callee.type === "Identifier") return callee.name
  if (callee.type !== "MemberExpression") return undefined
  return callee.computed ? callee.property.value : callee.property.name
}

/** The guard's own methods bear the names of what they stand around. */
const isGuards = ({ object }) => {
  const name = object.type === "MemberExpression" ? object.property.name : object.name
  if (name === "guard") return true
  return object.type === "NewExpression" && object.callee.name === "Guard"
}

/** A listener that only has to be there: an `error` that nobody hears is thrown. */
const doesNothing = ({ body, name, type }) =>
  (type === "Identifier" && name === "ignore") ||
  (type === "ArrowFunctionExpression" && body.type === "BlockStatement" && body.body.length === 0)

const bare = {
  create(context) {
    const path = context.filename.replaceAll("\\", "/")
    if (!path.includes("/src/http/") && !path.includes("/src/actors/")) return {}
    if (path.endsWith(program) || path.includes(app)) return {}
    return {
      CallExpression(node) {
        const { callee } = node
        const isMember = callee.type === "MemberExpression"
        const name = nameOf(callee)
        if (!(isMember && setters.has(name)) && !isTimer(name, node, isMember)) return
        if (isMember && isGuards(callee)) return
        if (node.arguments.some(doesNothing)) return
        context.report({ node, message: `${name} outside of a guard; see src/domain/Guard.ts` })
      }
    }
  }
}

export default { meta: { name: "guards" }, rules: { bare } }

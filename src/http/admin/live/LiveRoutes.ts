/**
 * The event stream over HTTP: everybody's things at `/api/admin/events`, for those who may read them, and a user's own at
 * `/api/me/events`. The viewer's rights are looked at again while the stream is open; with them it ends, within a second.
 */
import { Effect, Layer, Stream } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { FairShare } from "../../../actors/limits/FairShare.ts"
import { mayDo, type Viewer } from "../../../domain/access/Viewer.ts"
import type { RoomRoutes } from "../../runtime/HubRoutes.ts"
import { answerOf } from "../rest/Admitting.ts"
import { Forbidden, TooMany } from "../rest/api/Problems.ts"
import { Viewers } from "../rest/Viewers.ts"
import { LiveFeed } from "./LiveFeed.ts"

const paths = { everybody: "/api/admin/events", own: "/api/me/events" } as const
type Whose = keyof typeof paths

/** Milliseconds between two looks at what the viewer may see. */
const lookEveryMs = 500
/** Milliseconds after which a page whose stream has broken asks for another. */
const retryMs = 2_000
/** In small requests: it begins with all that there is. */
const unitsOfStart = 8

const headers = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  // A proxy that gathers what it passes on would hold back the seconds.
  "x-accel-buffering": "no"
}

const notAllowed = new Forbidden({ kind: "NotAllowed", detail: "Only admins and auditors see this" })

const bytes = new TextEncoder()

const make = Effect.gen(function* () {
  const router = yield* HttpRouter.HttpRouter
  const feed = yield* LiveFeed
  const viewers = yield* Viewers
  const share = yield* FairShare

  const maySee = (whose: Whose, viewer: Viewer): boolean => whose === "own" || mayDo(viewer, "read")

  /** Done when whoever opened the stream would not get it any more. */
  const rightsEnd = (whose: Whose, request: HttpServerRequest.HttpServerRequest, viewer: Viewer) =>
    viewers.of(request).pipe(
      Effect.map((now) => now.userId === viewer.userId && maySee(whose, now)),
      Effect.orElseSucceed(() => false),
      Effect.delay(lookEveryMs),
      Effect.repeat({ while: (may) => may }),
      Effect.asVoid
    )

  const stream = Effect.fnUntraced(function* (whose: Whose) {
    const request = yield* HttpServerRequest.HttpServerRequest
    const viewer = yield* viewers.of(request)
    if (!maySee(whose, viewer)) return yield* notAllowed
    share.charge(viewer.userId, "stream", unitsOfStart)
    // In the request's scope, which lasts as long as its answer.
    const reader = yield* feed
      .read(viewer.userId, whose === "own" ? viewer.userId : "everybody")
      .pipe(
        Effect.mapError(({ message }) => new TooMany({ kind: "TooManyStreams", detail: message, retryAfterSeconds: 5 }))
      )
    const events = Stream.fromEffectRepeat(reader.next).pipe(
      Stream.interruptWhen(rightsEnd(whose, request, viewer)),
      Stream.map((text) => bytes.encode(text))
    )
    const body = Stream.concat(Stream.make(bytes.encode(`retry: ${retryMs}\n\n`)), events)
    return HttpServerResponse.stream(body, { contentType: "text/event-stream", headers })
  }, Effect.catch(answerOf))

  for (const whose of ["everybody", "own"] as const) yield* router.add("GET", paths[whose], stream(whose))
})

const served: ReadonlySet<string> = new Set(Object.values(paths))

export const routes = Effect.map(Effect.context<LiveFeed | Viewers | FairShare>(), (services): RoomRoutes => ({
  serves: (path) => served.has(path),
  routes: Layer.effectDiscard(make).pipe(Layer.provide(Layer.succeedContext(services)))
}))

// A login with Auth.js: prints where the browser goes, reads where it comes back, prints the session.
import { createInterface } from "node:readline/promises"
import { Auth } from "@auth/core"

const [issuer, clientId, clientSecret, origin] = process.argv.slice(2)
const config = {
  basePath: "/auth",
  trustHost: true,
  secret: "a secret of the application, for its cookies",
  providers: [{ id: "latchkey", name: "Latchkey", type: "oidc", issuer, clientId, clientSecret, checks: ["pkce", "state"] }],
}
const cookies = new Map()

async function ask(url, init = {}) {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ")
  const headers = { ...init.headers, cookie }
  const response = await Auth(new Request(new URL(url, origin), { ...init, headers }), config)
  for (const set of response.headers.getSetCookie()) {
    const [pair] = set.split(";")
    cookies.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1))
  }
  return response
}

const { csrfToken } = await (await ask("/auth/csrf")).json()
const started = await ask("/auth/signin/latchkey", {
  method: "POST",
  headers: { "content-type": "application/x-www-form-urlencoded" },
  body: new URLSearchParams({ csrfToken, callbackUrl: origin }),
})
console.log(started.headers.get("location"))
const [callback] = await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next().then((line) => [line.value])
const returned = await ask(callback)
const session = await (await ask("/auth/session")).json()
console.log(JSON.stringify({ status: returned.status, location: returned.headers.get("location"), session }))
process.exit(0)

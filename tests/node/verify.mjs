// Says of each token on a line of stdin whether a key of the published set has signed it.
import { createInterface } from "node:readline"
import { createRemoteJWKSet, jwtVerify } from "jose"

const keys = createRemoteJWKSet(new URL(process.argv[2]), { cooldownDuration: 0, cacheMaxAge: 0 })
for await (const token of createInterface({ input: process.stdin })) {
  console.log(await jwtVerify(token, keys).then(() => "good", () => "refused"))
}

// What a client of hey-api/openapi-ts does: logs in, and asks who it is. The test compiles it, too.
import { client } from "./generated/client.gen"
import { getMe, token } from "./generated/sdk.gen"

async function main() {
  const { data: tokens, error } = await token({
    body: {
      grant_type: "password",
      client_id: "swagger-ui",
      username: "alice",
      password: "alice-in-wonderland",
      scope: "profile",
    },
  })
  if (!tokens) throw new Error(JSON.stringify(error))
  client.setConfig({ auth: tokens.access_token })
  const { data: me } = await getMe({ throwOnError: true })
  console.log(me.username)
}

main()

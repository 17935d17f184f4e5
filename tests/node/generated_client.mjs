// What a client of openapi-typescript does: logs in, and asks who it is.
import createClient from "openapi-fetch"

const [baseUrl, username, password] = process.argv.slice(2)
const client = createClient({ baseUrl })
const { data: tokens, error } = await client.POST("/token", {
  body: { grant_type: "password", client_id: "swagger-ui", username, password, scope: "profile" },
  headers: { "Content-Type": "application/x-www-form-urlencoded" },
})
if (error) throw new Error(JSON.stringify(error))
client.use({ onRequest: ({ request }) => request.headers.set("Authorization", `Bearer ${tokens.access_token}`) })
const { data: me } = await client.GET("/users/me")
console.log(JSON.stringify(me))

"""What a client of OpenAPI Generator does: logs in, and asks who it is."""

import sys

from openapi_client import AccountApi, ApiClient, Configuration, Oauth2Api

issuer, username, password = sys.argv[1:]
tokens = Oauth2Api(ApiClient(Configuration(host=issuer))).token(
    grant_type="password",
    client_id="swagger-ui",
    username=username,
    password=password,
    scope="profile",
)
client = ApiClient(Configuration(host=issuer, access_token=tokens.access_token))
print(AccountApi(client).get_me().username)

"""What a client of openapi-python-client does: logs in, and asks who it is."""

import sys

from generated import AuthenticatedClient, Client
from generated.api.account import get_me
from generated.api.oauth2 import token
from generated.models import TokenBody, TokenBodyGrantType

issuer, username, password = sys.argv[1:]
body = TokenBody(
    grant_type=TokenBodyGrantType.PASSWORD,
    client_id="swagger-ui",
    username=username,
    password=password,
    scope="profile",
)
tokens = token.sync(client=Client(base_url=issuer), body=body)
client = AuthenticatedClient(base_url=issuer, token=tokens.access_token)
print(get_me.sync(client=client).username)

"""What keeps the uses of one secret apart: the contexts of derived keys and of HMACs.

They begin with a name, and are not the name of the service: whatever it is called, they stay as
they are, byte for byte. With others nothing that is stored could be decrypted or verified any more.
"""

ENCRYPTION_AT_REST = b"latchkey encryption at rest"
"""HKDF's ``info`` (RFC 5869, section 3.2)."""

FORM_TOKEN = b"latchkey form"

MAIL_CODE = b"latchkey mail code"

PEPPER = b"latchkey "

"""What an API key looks like: ``lk_``, 43 random letters and digits, and 6 of a checksum."""

from app.security.checksummed import ChecksummedForm

_FORM = ChecksummedForm(prefix="lk_", random_length=43)


def generate_key() -> str:
    """A new key."""
    return _FORM.generate()


def has_form_of_key(text: str) -> bool:
    """Whether ``text`` may be a key, be it one from before keys had checksums."""
    return text.startswith(_FORM.prefix)


def is_mistyped(key: str) -> bool:
    """Whether ``key`` has the form of a key, and the checksum of another one."""
    return _FORM.fits(key) and not _FORM.is_written_right(key)

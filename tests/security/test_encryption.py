"""Encryption at rest, and the rotation of its secret."""

import base64

import pytest

from app.security.encryption import Encryption, UndecryptableError

OLD = "the old secret key of thirty-two bytes"
NEW = "the new secret key of thirty-two bytes"


def test_what_was_encrypted_can_be_decrypted() -> None:
    encryption = Encryption([OLD])
    assert encryption.decrypt(encryption.encrypt(b"a private key")) == b"a private key"


def test_the_encrypted_text_does_not_contain_the_plain_one() -> None:
    encrypted = Encryption([OLD]).encrypt(b"a private key")
    assert b"a private key" not in base64.urlsafe_b64decode(encrypted)


def test_the_same_text_is_never_encrypted_the_same_way_twice() -> None:
    encryption = Encryption([OLD])
    assert encryption.encrypt(b"a private key") != encryption.encrypt(b"a private key")


def test_the_encrypted_text_is_ascii() -> None:
    assert Encryption([OLD]).encrypt(b"\x00\xff").isascii()


def test_another_process_with_the_same_secret_decrypts() -> None:
    assert Encryption([OLD]).decrypt(Encryption([OLD]).encrypt(b"plain")) == b"plain"


def test_what_was_stored_can_be_decrypted_whatever_the_service_is_called() -> None:
    stored = (
        "gAAAAABrDAlCWNNZrtz3BLjemhKYfSLK6x1JIMV1pRh92cp8djZrFo8U8o_xVn6vNRzz0W"
        "glujS5Phs20zK327Wffm8DFoyGhA=="
    )
    assert Encryption([OLD]).decrypt(stored) == b"a private key"


def test_a_secret_may_hold_any_character() -> None:
    secret = "ein Schlüssel mit Umlauten, lang genug ☃"
    assert Encryption([secret]).decrypt(Encryption([secret]).encrypt(b"plain")) == b"plain"


def test_after_a_rotation_the_old_text_still_decrypts() -> None:
    encrypted = Encryption([OLD]).encrypt(b"plain")
    assert Encryption([NEW, OLD]).decrypt(encrypted) == b"plain"


def test_after_a_rotation_the_newest_secret_encrypts() -> None:
    encrypted = Encryption([NEW, OLD]).encrypt(b"plain")
    assert Encryption([NEW]).decrypt(encrypted) == b"plain"
    with pytest.raises(UndecryptableError):
        Encryption([OLD]).decrypt(encrypted)


def test_a_secret_that_was_taken_away_decrypts_no_more() -> None:
    encrypted = Encryption([OLD]).encrypt(b"plain")
    with pytest.raises(UndecryptableError):
        Encryption([NEW]).decrypt(encrypted)


@pytest.mark.parametrize("position", [0, 20, -2], ids=["version", "middle", "end"])
def test_a_changed_text_is_not_decrypted(position: int) -> None:
    encryption = Encryption([OLD])
    raw = bytearray(base64.urlsafe_b64decode(encryption.encrypt(b"plain")))
    raw[position] ^= 1
    with pytest.raises(UndecryptableError):
        encryption.decrypt(base64.urlsafe_b64encode(raw).decode())


@pytest.mark.parametrize(
    "text",
    ["", "plain", "gAAAA", "not base64 !", "Schlüssel"],
    ids=["empty", "plain", "cut_off", "not_base64", "not_ascii"],
)
def test_a_text_that_was_never_encrypted_is_not_decrypted(text: str) -> None:
    with pytest.raises(UndecryptableError):
        Encryption([OLD]).decrypt(text)

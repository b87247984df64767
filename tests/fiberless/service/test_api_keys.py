import logging

import pytest

from fiberless.service.api_keys import Redacted, Token, redact

SECRET = "0123456789abcdef" * 3
TEXT = f"flk_00112233aabbccdd_{SECRET}"


def test_a_token_is_read_back_from_its_text():
    token = Token.new()
    assert Token.parse(str(token)) == token
    assert Token.parse(TEXT) == Token("00112233aabbccdd", SECRET)


def test_two_tokens_have_nothing_in_common():
    first, second = Token.new(), Token.new()
    assert first.id != second.id
    assert first.secret != second.secret


@pytest.mark.parametrize(
    "text",
    ["", "flk_", TEXT[:-1], TEXT + "0", TEXT.upper(), TEXT + "\n", TEXT.replace("flk", "sk"), f" {TEXT}"],
)
def test_what_is_no_token_is_none(text):
    assert Token.parse(text) is None


def test_a_token_is_proved_by_the_hash_of_its_secret_alone():
    token = Token("00112233aabbccdd", "abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert token.secret_sha256 == known
    assert token.is_proved_by(known)
    assert not token.is_proved_by("0" * 64)


def test_a_token_does_not_show_its_secret_by_accident():
    assert SECRET not in repr(Token.parse(TEXT))
    assert redact(f"Authorization: Bearer {TEXT}, again {TEXT[:40]}!") == (
        "Authorization: Bearer flk_00112233aabbccdd_…, again flk_00112233aabbccdd_…!"
    )


def test_logs_lose_secrets_from_messages_arguments_and_tracebacks():
    formatter = Redacted(logging.Formatter("%(message)s"))
    with pytest.raises(ValueError, match="flk_") as raised:
        int(TEXT)
    failed = (raised.type, raised.value, raised.tb)
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "got %s", (TEXT,), failed)
    line = formatter.format(record)
    assert line.startswith("got flk_00112233aabbccdd_…\nTraceback")
    assert SECRET not in line

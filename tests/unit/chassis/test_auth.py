import base64
import json
from datetime import UTC, datetime

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from chassis import auth
from chassis.clock import FakeClock
from chassis.config import ConfigError
from chassis.context import NOBODY, Principal
from chassis.errors import PermissionDenied, Unauthenticated

KEY = b"k" * 32
START = datetime(2026, 1, 1, tzinfo=UTC)
EDDSA = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwks():
    ed = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(EDDSA.public_key())) | {"kid": "ed"}
    rs = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key())) | {"kid": "rs", "use": "sig"}
    other = {"kty": "EC", "crv": "P-256", "kid": "ec"}
    return json.dumps({"keys": [ed, rs, other]})


def a_token(key=EDDSA, algorithm="EdDSA", kid="ed", **claims):
    body = {"sub": "ann", "scope": "reviewer studio:s1", "exp": START.timestamp() + 60} | claims
    return jwt.encode({k: v for k, v in body.items() if v is not None}, key, algorithm, headers={"kid": kid})


def a_verifier(**options):
    clock = options.pop("clock", FakeClock(START))
    return auth.Verifier(**({"keys": auth.keys_from_jwks(jwks()), "clock": clock} | options))


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(EDDSA, "EdDSA", "ed"), (RSA, "RS256", "rs")])
def test_a_token_signed_by_a_known_key_says_who_calls(key, algorithm, kid):
    who = a_verifier().authorization(f"Bearer {a_token(key, algorithm, kid)}")
    assert who == Principal("ann", frozenset({"reviewer", "studio:s1"}), frozenset({"s1"}))


def test_scopes_may_be_a_list():
    assert a_verifier().token(a_token(scope=None, scopes=["creator"])).scopes == {"creator"}


def test_no_header_is_nobody():
    assert a_verifier().authorization("") == NOBODY


@pytest.mark.parametrize(
    "header",
    [
        "Basic YTpi",
        "Bearer",
        "Bearer  ",
        "Bearer not.a.token",
        f"Bearer {'x' * 5000}",
        f"Bearer {a_token(kid='unknown')}",
        f"Bearer {a_token(key=ed25519.Ed25519PrivateKey.generate())}",
        f"Bearer {a_token(sub='')}",
        f"Bearer {a_token(sub=None)}",
        f"Bearer {a_token(exp=None)}",
        f"Bearer {a_token(nbf=START.timestamp() + 3600)}",
        f"Bearer {a_token(nbf='soon')}",
        f"Bearer {a_token(exp='soon')}",
        f"Bearer {a_token(scope=7)}",
        f"Bearer {jwt.encode({'sub': 'ann', 'exp': 2e9}, '', 'none', headers={'kid': 'ed'})}",
        f"Bearer {auth.mint_local(KEY, 'ann', ['reviewer'], now=START)}",
    ],
)
def test_anything_else_is_refused(header):
    with pytest.raises(Unauthenticated):
        a_verifier().authorization(header)


def test_a_public_key_is_never_taken_for_a_shared_secret():
    public = EDDSA.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    forged = jwt.encode({"sub": "ann", "exp": 2e9}, public, "HS256", headers={"kid": "ed"})
    for options in ({}, {"local_key": KEY}):
        with pytest.raises(auth.TokenInvalid):
            a_verifier(**options).token(forged)


def test_a_remembered_token_still_expires():
    clock = FakeClock(START)
    verifier = a_verifier(clock=clock)
    token = a_token()
    assert verifier.token(token) is verifier.token(token)
    clock.advance(61)
    with pytest.raises(auth.TokenExpired):
        verifier.token(token)
    clock.advance(60)
    with pytest.raises(auth.TokenExpired):
        verifier.token(token)


def test_replacing_the_keys_forgets_what_they_signed():
    verifier = a_verifier()
    token = a_token()
    verifier.token(token)
    verifier.replace_keys({})
    with pytest.raises(auth.TokenInvalid):
        verifier.token(token)


def test_only_so_many_tokens_are_remembered(monkeypatch):
    monkeypatch.setattr(auth, "REMEMBERED_MAX", 2)
    verifier = a_verifier()
    for name in "abc":
        assert verifier.token(a_token(sub=name)).subject == name
    assert len(verifier._remembered) == 2


def test_issuer_and_audience_are_checked_when_they_are_set():
    verifier = a_verifier(issuer="us", audience="spotlight")
    assert verifier.token(a_token(iss="us", aud="spotlight")).subject == "ann"
    for claims in ({"iss": "them", "aud": "spotlight"}, {"iss": "us", "aud": "other"}, {"iss": "us"}):
        with pytest.raises(auth.TokenInvalid):
            verifier.token(a_token(**claims))


def test_local_tokens_work_only_where_the_local_key_is_known():
    token = auth.mint_local(KEY, "bob", ["creator"], now=START)
    assert a_verifier(local_key=KEY).credential(token).subject == "bob"
    with pytest.raises(auth.TokenInvalid):
        a_verifier(local_key=b"z" * 32).credential(token)


def test_an_api_key_is_stored_hashed_and_recognised(tmp_path):
    key, record = auth.new_api_key("app", ["hub.read"])
    assert key.rpartition("_")[2] not in record
    path = tmp_path / "keys.jsonl"
    path.write_text(record + "\n\n")
    verifier = a_verifier(api_keys=auth.api_keys_from_file(path))
    assert verifier.authorization(f"Bearer {key}") == Principal("app", frozenset({"hub.read"}))
    for wrong in (key[:-1] + "!", "spk_unknown_x", "spk_"):
        with pytest.raises(auth.ApiKeyUnknown):
            verifier.credential(wrong)


@pytest.mark.parametrize("text", ["{}", "[]", "nothing", '{"id": "a"}'])
def test_a_broken_key_file_names_its_line(tmp_path, text):
    path = tmp_path / "keys.jsonl"
    path.write_text("\n" + text)
    with pytest.raises(ConfigError, match=r"keys\.jsonl:2"):
        auth.api_keys_from_file(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "!"}]}'])
def test_a_broken_key_set_is_a_config_error(text):
    with pytest.raises(ConfigError):
        auth.keys_from_jwks(text)


def test_scopes_and_studios_are_required():
    who = Principal.of("ann", ["reviewer", "studio:s1"])
    auth.require(who, "policy.admin", "reviewer")
    auth.require_studio(who, "s1")
    with pytest.raises(auth.ScopeMissing) as caught:
        auth.require(who, "policy.admin")
    assert caught.value.metadata == {"scopes": "policy.admin"}
    with pytest.raises(auth.StudioForeign):
        auth.require_studio(who, "s2")
    with pytest.raises(auth.ScopeMissing):
        auth.require_studio(Principal.of("bob", ["reviewer"]), "s1")
    for act in (auth.require, auth.require_studio):
        with pytest.raises(Unauthenticated):
            act(NOBODY, "s1")
    assert issubclass(auth.StudioForeign, PermissionDenied)


def test_tokens_are_plain_jwts():
    token = auth.mint_local(KEY, "bob", ["b", "a"], now=START, lifetime_s=60)
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert claims == {"sub": "bob", "scope": "a b", "iat": START.timestamp(), "exp": START.timestamp() + 60}

"""The keys of a local house, made once and kept in files only their owner reads; and a token for each role."""

import json
import secrets as chance
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from chassis.auth import mint_local
from deploy.local.plan import SETTINGS, TOKEN_KEY, Plan, secret_fields, secret_name, settings_of

KEY_BYTES = 32
ROLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "app": ("sample-app", ("hub.read", "events.write")),
    "studio": ("sample-studio-user", ("studio:{studio_id}",)),
    "reviewer": ("sample-reviewer", ("reviewer",)),
    "creator": ("{creator_id}", ("creator",)),
    # Everything but being somebody: no studio's and no creator's scope, which would confine it to theirs.
    "admin": (
        "sample-admin",
        ("policy.admin", "catalog.write", "campaigns.write", "hub.read", "events.write", "reviewer"),
    ),
}


def ensure_keys(plan: Plan) -> None:
    """Makes the keys that are missing."""
    folder = plan.secrets_folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = {secret_name(process, key) for process in SETTINGS for key in secret_fields(settings_of(process))}
    for name in sorted(names | {TOKEN_KEY}):
        if not (folder / name).exists():
            _write(folder / name, chance.token_urlsafe(KEY_BYTES))


def write_tokens(plan: Plan, *, now: datetime, studio_id: str, creator_id: str) -> Mapping[str, str]:
    """Writes tokens.json, a short-lived token for each role, and gives it."""
    key = (plan.secrets_folder / TOKEN_KEY).read_bytes().rstrip(b"\n")
    named = {"studio_id": studio_id, "creator_id": creator_id}
    tokens = {
        role: mint_local(key, subject.format(**named), [scope.format(**named) for scope in scopes], now=now)
        for role, (subject, scopes) in ROLES.items()
    }
    _write(plan.folder / "tokens.json", json.dumps(tokens, indent=2))
    return tokens


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    whole = path.with_suffix(".new")
    whole.touch(mode=0o600)
    whole.chmod(0o600)
    whole.write_text(text)
    whole.replace(path)

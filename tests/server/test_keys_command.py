"""`ominix keys`, as an operator uses it."""

from __future__ import annotations

from ominix_core.paths import Home
from ominix_core.server.keys import KeyStore
from tests.support.command import ominix


def test_the_life_of_a_key(home: Home) -> None:
    made = ominix("keys", "create", "editor", "--manage")
    secret = made.stdout.strip()
    key = KeyStore(home.api_keys).find(secret)
    assert key is not None
    assert (key.name, key.scopes) == ("editor", ("use", "manage"))

    listed = ominix("keys", "list").stdout
    assert key.id in listed
    assert "use+manage" in listed
    assert secret not in listed

    assert ominix("keys", "revoke", key.id).returncode == 0
    assert KeyStore(home.api_keys).find(secret) is None


def test_revoking_what_is_no_key() -> None:
    result = ominix("keys", "revoke", "nope")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "ominix: There is no API key 'nope'. `ominix keys list` shows them.\n"


def test_other_machines_need_a_key() -> None:
    result = ominix("serve", "--host", "0.0.0.0", "--port", "0")
    assert result.returncode == 1
    assert "ominix keys create" in result.stderr

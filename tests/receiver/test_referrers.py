"""Where visits come from: engines and networks by name, also those that only the list knows."""

import pytest

from log_importer.receiver.referrers import classify


@pytest.mark.parametrize(
    ("address", "kind", "name", "keyword"),
    [
        ("https://www.google.co.uk/search?q=A+lamp", "search", "Google", "a lamp"),
        ("https://verden.abcsok.no/?q=lamp", "search", "ABCsøk", "lamp"),
        ("https://m.vk.com/feed", "social", "Vkontakte", ""),
        ("https://bsky.app/profile/x", "social", "Bluesky", ""),
        ("https://mail.126.com/inbox", "website", "mail.126.com", ""),
        ("https://nobody.example/a", "website", "nobody.example", ""),
    ],
)
def test_a_referrer_is_known_by_its_host(address: str, kind: str, name: str, keyword: str) -> None:
    assert classify(None, address, frozenset()) == (kind, name, address, keyword)

"""Hits on a tracker, as its own access log has them -> the tracking requests that they were, to be sent again."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from log_importer.model import Hit, Site
from log_importer.parsing.addresses import client_address
from log_importer.tracking.encoding import MAX_URL, cut_url, percent
from log_importer.tracking.parameters import moment
from log_importer.tracking.requests import when_of
from log_importer.tracking.rules.privacy import url_without
from log_importer.tracking.rules.values import unquoted

TRACKER_FILES = ("piwik.php", "matomo.php")


@dataclass(frozen=True, slots=True)
class Replay:
    """What the user says about replayed hits."""

    files: tuple[str, ...] = TRACKER_FILES  # ends of the tracker's path
    add_to_date: float = 0.0  # seconds
    drop_parameters: frozenset[str] = frozenset()  # of the URLs in them


class Replayed(NamedTuple):
    """A tracking request as it was made: what tells when and who is in `hit`."""

    hit: Hit
    idsite: int
    url: str
    pairs: Sequence[tuple[str, str]]  # all other parameters, in their order
    visitor: str  # the visitor id in them, "" for none


# Of the request itself, or from the hit's own line; a token in a log is nobody's business.
_NOT_AGAIN = frozenset({
    "token_auth", "force_api_session", "idsite", "rec", "apiv", "url", "cip", "cdt", "ua", "urlref", "uid", "lang",
    "dp", "queuedtracking", "debug", "send_image", "callback",
})  # fmt: skip
_URLS = frozenset({"url", "urlref", "download", "link"})
_STAMPS = frozenset({"_idts", "_viewts", "_ects", "_refts"})


def compile_replay(replay: Replay) -> Callable[[Hit], Replayed | None]:
    """The function from a hit to what it asked a tracker to do; `None` where it is no such hit, or nobody logged it."""

    def replayed(hit: Hit) -> Replayed | None:
        if not hit.path.endswith(replay.files) or not hit.query:
            return None
        split = [pair.partition("=") for pair in hit.query.split("&")]
        pairs = [(unquoted(name), unquoted(value)) for name, _, value in split]
        said = dict(pairs)
        site = re.fullmatch("[0-9]{1,9}", said.get("idsite", ""), re.ASCII)
        if not re.match(r"\s*\+?0*[1-9]", said.get("rec", ""), re.ASCII) or not site or not int(site[0]):
            return None
        if replay.drop_parameters:
            gone = replay.drop_parameters
            pairs = [(name, url_without(value, gone) if name in _URLS else value) for name, value in pairs]
            said = dict(pairs)
        at = moment(said.get("cdt", ""))
        seen = hit._replace(
            time=hit.time if at is None else at + replay.add_to_date,
            client_ip=client_address(said.get("cip", "")) or hit.client_ip,
            user_agent=said.get("ua") or hit.user_agent,
            referrer=said.get("urlref", hit.referrer),
            user_id=said.get("uid") or hit.user_id,
            accept_language=said.get("lang") or hit.accept_language,
        )
        own = [(name, _shifted(name, value, replay)) for name, value in pairs if name and name not in _NOT_AGAIN]
        # Without a `url` the page is what the browser names as where the request came from.
        page = said.get("url") or hit.referrer or ""
        return Replayed(seen, int(site[0]), page, own, said.get("cid") or said.get("_id", ""))

    return replayed


def encode_replayed(one: Replayed, site: Site, constant: str, given: Mapping[str, str]) -> tuple[str, bool]:
    """The query string with its leading "?", and whether its url was cut; `given` are parameters set by rules."""
    hit = one.hit
    url = cut_url(one.url) if len(one.url) > MAX_URL else one.url
    own = {
        "url": url, "cip": hit.client_ip, "urlref": hit.referrer, "ua": hit.user_agent, "lang": hit.accept_language,
        "uid": hit.user_id,
    }  # fmt: skip
    parts = [f"?idsite={site.idsite}{constant}{when_of(hit.time)}"]
    parts += [f"{name}={percent(value)}" for name, value in own.items() if value and name not in given]
    parts += [f"{percent(name)}={percent(value)}" for name, value in one.pairs if name not in given]
    parts += [f"{name}={percent(value)}" for name, value in given.items() if name not in ("cdt", "idsite")]
    return "&".join(parts), len(one.url) > MAX_URL


def _shifted(name: str, value: str, replay: Replay) -> str:
    if replay.add_to_date and name in _STAMPS and re.fullmatch("[0-9]{1,12}", value, re.ASCII):
        return str(int(int(value) + replay.add_to_date))
    return value

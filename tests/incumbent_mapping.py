"""What Matomo's own script makes of a line of a combined log, written down from a description of its behaviour.

An oracle for tests: fields by name as it sends them, or the reason why it leaves a line out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

_LINE = re.compile(
    r'(?P<ip>[\w*.:-]+)\s+\S+\s+(?P<user>\S+)\s+\[(?P<date>\S+)\s+(?P<zone>\S+)\]\s+'
    r'"(?P<method>\S+)\s+(?P<path>.*?)\s+\S+"\s+(?P<status>\d+)\s+(?P<length>\S+)\s+"(?P<referrer>.*?)"\s+"(?P<agent>.*?)"'
)  # fmt: skip
_STATIC = frozenset("gif jpg jpeg png bmp ico svg svgz ttf otf eot woff woff2 class swf css js xml webp".split())
_DOWNLOADS = frozenset(
    """7z aac arc arj asf asx avi bin csv deb dmg doc docx exe flac flv gz gzip hqx ibooks jar json mpg mp2 mp3 mp4 mpeg
    mov movie msi msp odb odf odg odp ods odt ogg ogv pdf phps ppt pptx qt qtm ra ram rar rpm rtf sea sit tar tbz bz2
    tgz torrent txt wav webm wma wmv wpd xls xlsx xml xsd z zip azw3 epub mobi apk md5 sig""".split()
)
_BOTS = (
    "adsbot-google", "ask jeeves", "baidubot", "bot-", "bot/", "ccooter/", "crawl", "curl", "echoping", "exabot",
    "feed", "googlebot", "ia_archiver", "java/", "libwww", "mediapartners-google", "msnbot", "netcraftsurvey",
    "panopta", "pingdom.com_bot_", "robot", "spider", "surveybot", "twiceler", "voilabot", "yahoo", "yandex", "zabbix",
    "googlestackdrivermonitoring",
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Those of the script that change the mapping."""

    static: bool = False
    bots: bool = False
    errors: bool = False
    redirects: bool = False
    main_url: str = "http://localhost"


def mapped(line: str, options: Options) -> dict[str, str] | str:
    """The fields of the request, or why there is none."""
    match = _LINE.match(line)
    if match is None:
        return "invalid"
    path, _, query = match["path"].partition("?")
    extension = path.rsplit(".", 1)[-1].lower()
    download = extension in _DOWNLOADS
    status = match["status"]
    error, redirect = status[0] in "45", status[0] == "3" and status != "304"
    if error and not options.errors:
        return "error"
    if redirect and not options.redirects:
        return "redirect"
    if extension in _STATIC or path.endswith("robots.txt"):
        if not options.static:
            return "static"
        download = True
    agent = match["agent"]
    if not options.bots and any(part in agent.lower() for part in _BOTS):
        return "bot"
    return _fields(
        match.groupdict(), f"{path}?{query}" if "?" in match["path"] else path, options, download, error or redirect
    )


def _fields(line: Mapping[str, str], path: str, options: Options, download: bool, titled: bool) -> dict[str, str]:
    url = (options.main_url if path.startswith("/") else "") + path[:1024]
    referrer = "" if line["referrer"] == "-" else line["referrer"][:1024]
    moment = datetime.strptime(f"{line['date']} {line['zone']}", "%d/%b/%Y:%H:%M:%S %z").astimezone(UTC)
    found = {
        "rec": "1", "apiv": "1", "url": url, "urlref": referrer, "cip": line["ip"],
        "cdt": f"{moment:%Y-%m-%d %H:%M:%S}", "idsite": "1", "queuedtracking": "0", "dp": "1", "ua": line["agent"],
        "cvar": f'{{"1": ["HTTP-code", "{line["status"]}"]}}',
    }  # fmt: skip
    if line["user"] != "-":
        found["uid"] = line["user"]
    if download:
        found["download"] = url
    if options.bots:
        found["bots"] = "1"
    if titled:
        found["action_name"] = f"{line['status']}/URL = {quote(url, safe='')}"
        if referrer:
            found["action_name"] += f"/From = {quote(referrer, safe='')}"
    if line["length"] not in ("-", "0"):
        found["bw_bytes"] = line["length"]
    return found

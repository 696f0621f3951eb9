"""Command lines as crontabs, manuals and answers have them for Matomo's own script: only the first word changes.

Each ends in the right requests or in the right sentence; together they use every option of the script.
"""
# ruff: noqa: E501 - a command line is not to be broken

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

import pytest

from tests.conftest import ROOT, TOKENS, Run
from tests.fault_server import Posted, Told, counted, serve, told_json

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
DAYS = ("09", "10", "11")


def combined(
    target: str,
    status: int = 200,
    day: int = 1,
    agent: str = AGENT,
    referrer: str = "-",
    user: str = "-",
    size: int = 12,
) -> str:
    clock = f"{DAYS[day]}/Oct/2025:13:55:36 +0000"
    return f'192.0.2.{day + 1} - {user} [{clock}] "GET {target} HTTP/1.1" {status} {size} "{referrer}" "{agent}"\n'


PAGES = [
    combined("/index.html?id=1", day=0, user="anna", referrer="http://r.example/"),
    combined("/style.css"),
    combined("/file.pdf"),
    combined("/missing", 404, referrer="http://r.example/x"),
    combined("/old", 301),
    combined("/index.html", agent=GOOGLEBOT),
    combined("/Docs/Page;v=2", day=2, agent=f"{AGENT} Kiosk"),
    "garbage\n",
    combined("/data.xyz", day=2, size=0),
]
REPLAYED = "/piwik.php?idsite=1&rec=1&url=http%3A%2F%2Fsite.example%2Fp&action_name=Title"
FILES = {
    "access.log": "".join(PAGES),
    "access_1.log": combined("/one"),
    "access_2.log": combined("/two"),
    "vhost.log": "".join(f"{host} {combined(f'/{n}')}" for n, host in enumerate(("a.example", "b.example", "new.example"))),
    "piwik.log": combined(REPLAYED, 500) + combined("/index.php") + combined(REPLAYED.replace("piwik", "stats")),
    "u_ex.log": (
        "#Software: Microsoft Internet Information Services 10.0\n"
        "#Fields: date time c-ip cs-username cs-method cs-uri-stem cs-uri-query sc-status cs(User-Agent) time-taken\n"
        f"2025-10-10 13:55:36 192.0.2.1 - GET /iis - 200 {AGENT.replace(' ', '+')} 5\n"
    ),
    "bare.log": f"2025-10-10 13:55:36 192.0.2.1 GET /bare - 200 {AGENT.replace(' ', '+')} 5\n",
    "renamed.log": (
        "#Fields: date time client-ip cs-method cs-uri-stem cs-uri-query sc-status cs(User-Agent) x-spent\n"
        f"2025-10-10 13:55:36 192.0.2.1 GET /renamed - 200 {AGENT.replace(' ', '+')} 5\n"
    ),
    "own.log": f"2025-10-10 13:55:36|192.0.2.1|/own|200|shop|{AGENT}\n",
    "nginx.json": json.dumps({
        "ip": "192.0.2.1", "host": "a.example", "path": "/json", "status": "200", "referrer": "-", "user_agent": AGENT,
        "length": 5, "generation_time_milli": 0.007, "date": "2025-10-10T13:55:36+00:00",
    }) + "\n",
    "latin.log": combined("/caf\u00e9"),
    "paths.txt": "/index*\n/file*\n",
}  # fmt: skip
URL = "--url=http://matomo.example --token-auth=TOKEN"
SITE = f"{URL} --idsite=1"


class Case(NamedTuple):
    """A command line and what it ends in."""

    line: str
    paths: str = "/index.html?id=1 /file.pdf /Docs/Page;v=2 /data.xyz"  # of the requests, in any order
    has: str = ""  # parameters that each request has, as name=value; "name=" where it has none of that name
    say: str = ""  # on standard error or output
    code: int = 0


CASES = [
    Case(f"import_logs.py {SITE} access.log"),
    Case(f"import_logs.py {SITE} --recorders=4 access.log"),
    Case(f"import_logs.py {SITE} --recorders=2 --recorder-max-payload-size=100 --enable-http-errors access.log",
         "/index.html?id=1 /file.pdf /Docs/Page;v=2 /data.xyz /missing"),
    Case(f"import_logs.py {SITE} --enable-static --enable-bots --enable-http-errors --enable-http-redirects access.log",
         "/index.html?id=1 /style.css /file.pdf /missing /old /index.html /Docs/Page;v=2 /data.xyz", "bots=1"),
    Case(f"import_logs.py {SITE} --enable-static access.log",
         "/index.html?id=1 /style.css /file.pdf /Docs/Page;v=2 /data.xyz"),
    Case(f"import_logs.py {SITE} --enable-http-redirects access.log",
         "/index.html?id=1 /file.pdf /Docs/Page;v=2 /data.xyz /old"),
    Case(f"import_logs.py {SITE} --enable-reverse-dns access.log", has="dp=0"),
    Case(f"import_logs.py {SITE} access_*.log", "/one /two"),
    Case(f"import_logs.py {SITE} access_1.log access_2.log", "/one /two"),
    Case(f"import_logs.py {SITE} 'nothing_*.log'", "", say="nothing_*.log", code=3),
    Case(f"import_logs.py {SITE} - < access.log"),
    Case(f"import_logs.py {SITE} --log-format-name=ncsa_extended access.log"),
    Case(f"import_logs.py {SITE} --log-format-name=common access_1.log", "", say="rejected", code=1),
    Case(f"import_logs.py {SITE} --log-format-name=common_complete vhost.log", "/0 /1 /2"),
    Case(f"import_logs.py {SITE} --log-format-name=iis u_ex.log", "/iis", "pf_srv=5"),
    Case(f"import_logs.py {SITE} --log-format-name=nginx_json nginx.json", "/json", "pf_srv=7"),
    Case(f"import_logs.py {SITE} --log-format-name=nonsense access.log", "", say="There is no format 'nonsense'.", code=2),
    Case(f"import_logs.py {URL} --log-format-name=common_complete vhost.log", "/0 /1", say="Hosts without a site: new.example 1"),
    Case(f"import_logs.py {URL} --add-sites-new-hosts vhost.log", "/0 /1 /2", say="Site 12 was made for new.example"),
    Case(f"import_logs.py {URL} --idsite-fallback=7 vhost.log", "/0 /1 /2"),
    Case(f"import_logs.py {URL} --hostname=a.example --hostname='b.*' vhost.log", "/0 /1"),
    Case(f"import_logs.py {SITE} --include-host=a.example vhost.log", "/0"),
    Case(f"import_logs.py {SITE} --exclude-host=a.example --exclude-host=b.example vhost.log", "/2"),
    Case(f"import_logs.py {SITE} --log-hostname=www.example.org access_1.log", "/one", "url=http://www.example.org/one"),
    Case(f"import_logs.py {SITE} --exclude-path='/index*' --exclude-path=/Docs/* access.log", "/file.pdf /data.xyz"),
    Case(f"import_logs.py {SITE} --exclude-path-from=paths.txt access.log", "/Docs/Page;v=2 /data.xyz"),
    Case(f"import_logs.py {SITE} --include-path='/Docs/*' access.log", "/Docs/Page;v=2"),
    Case(f"import_logs.py {SITE} --include-path-from=paths.txt access.log", "/index.html?id=1 /file.pdf"),
    Case(f"import_logs.py {SITE} --useragent-exclude=kiosk access.log", "/index.html?id=1 /file.pdf /data.xyz"),
    Case(f"import_logs.py {SITE} --strip-query-string access.log", "/index.html /file.pdf /Docs/Page;v=2 /data.xyz"),
    Case(f"import_logs.py {SITE} --query-string-delimiter=';' --strip-query-string access.log",
         "/index.html /file.pdf /Docs/Page /data.xyz"),
    Case(f"import_logs.py {SITE} --force-lowercase-path access.log", "/index.html?id=1 /file.pdf /docs/page;v=2 /data.xyz"),
    Case(f"import_logs.py {SITE} --request-suffix='pk_campaign=import' access_1.log", "/one?pk_campaign=import"),
    Case(f"import_logs.py {SITE} --download-extensions=xyz access.log", "/index.html?id=1 /Docs/Page;v=2 /data.xyz"),
    Case(f"import_logs.py {SITE} --add-download-extensions=xyz,abc --include-path='*.xyz' access.log", "/data.xyz",
         "download=http://site.example/data.xyz"),
    Case(f"import_logs.py {SITE} --exclude-older-than='2025-10-10 00:00:00 +0000' access.log",
         "/file.pdf /Docs/Page;v=2 /data.xyz"),
    Case(f"import_logs.py {SITE} --exclude-newer-than='2025-10-10 00:00:00 +0000' access.log", "/index.html?id=1"),
    Case(f"import_logs.py {SITE} --add-to-date=3600 access_1.log", "/one", "cdt=2025-10-10 14:55:36"),
    Case(f"import_logs.py {SITE} --skip=2 access.log", "/file.pdf /Docs/Page;v=2 /data.xyz"),
    Case(f"import_logs.py {SITE} --track-http-method access_1.log", "/one", 'cvar={"1": ["HTTP-method", "GET"]}'),
    Case(f"import_logs.py {SITE} --track-http-method=true access_1.log", "/one", 'cvar={"1": ["HTTP-method", "GET"]}'),
    Case(f"import_logs.py {SITE} --track-http-method true access_1.log", "/one", 'cvar={"1": ["HTTP-method", "GET"]}'),
    Case(f"import_logs.py {SITE} --track-http-method=false access_1.log", "/one", "cvar="),
    Case(f"import_logs.py {SITE} --enable-bots --include-path=/index.html access.log", "/index.html?id=1 /index.html",
         "bots=1"),
    Case(f"import_logs.py {SITE} --title-category-delimiter='|' --enable-http-errors --include-path=/missing access.log",
         "/missing", "action_name=404|URL = http%3A%2F%2Fsite.example%2Fmissing|From = http%3A%2F%2Fr.example%2Fx"),
    Case(SITE.join(("import_logs.py ", " --log-date-format='%Y-%m-%d %H:%M:%S' --log-format-regex='")) +
         r"(?P<date>[^|]+)\|(?P<ip>[^|]+)\|(?P<path>[^|]+)\|(?P<status>\d+)\|(?P<shop>[^|]+)\|(?P<user_agent>.*)' own.log",
         "/own", "cdt=2025-10-10 13:55:36"),
    Case(SITE.join(("import_logs.py ", " --regex-group-to-page-cvar='shop=Shop' --regex-group-to-visit-cvar='ip=Address'"))
         + r" --log-format-regex='(?P<date>[^|]+)\|(?P<ip>[^|]+)\|(?P<path>[^|]+)\|(?P<status>\d+)\|(?P<shop>[^|]+)\|' own.log",
         "/own", 'cvar={"1": ["Shop", "shop"]}'),
    Case(f"import_logs.py {SITE} --regex-group-to-visit-cvar=userid=User --include-path=/index.html access.log",
         "/index.html?id=1", '_cvar={"1": ["User", "anna"]}'),
    Case(f"import_logs.py {SITE} --ignore-groups=userid,referrer access.log", has="uid="),
    Case(f"import_logs.py {SITE} --ignore-groups=path access.log", "", say="no hit can do without its path", code=2),
    Case(f"import_logs.py {SITE} --w3c-time-taken-millisecs u_ex.log", "/iis", "pf_srv=5"),
    Case(f"import_logs.py {SITE} --iis-time-taken-secs u_ex.log", "/iis", "pf_srv=5000"),
    Case(f"import_logs.py {SITE} --w3c-map-field='client-ip=c-ip' --w3c-map-field=x-spent=time-taken renamed.log", "/renamed",
         "cip=192.0.2.1"),
    Case(f"import_logs.py {SITE} --w3c-map-field='client-ip=c-ip,x-spent=time-taken' renamed.log", "/renamed",
         "cip=192.0.2.1"),
    Case(f"import_logs.py {SITE} --w3c-fields='#Fields: date time c-ip cs-method cs-uri-stem cs-uri-query sc-status "
         "cs(User-Agent) time-taken' bare.log", "/bare"),
    Case(f"import_logs.py {SITE} --w3c-field-regex='cs-uri-stem=(?P<path>/ii)' u_ex.log", "/ii"),
    Case(f"import_logs.py {SITE} --encoding=latin-1 latin.log", "/caf\u00e9"),
    Case(f"import_logs.py {SITE} --disable-bulk-tracking access.log"),
    Case(f"import_logs.py {SITE} --disable-bulk-tracking --debug-force-one-hit-every-Ns=0.05 access.log"),
    Case(f"import_logs.py {SITE} --retry-max-attempts=2 --retry-delay=1 --request-timeout=20 access.log"),
    Case(f"import_logs.py {SITE} --show-progress --show-progress-delay=2 access.log"),
    Case(f"import_logs.py {SITE} --output=import.out access.log"),
    Case(f"import_logs.py {SITE} -d access.log", say="Post 1: "),
    Case(f"import_logs.py {SITE} -dd access.log", say="access.log:2: static"),
    Case(f"import_logs.py {SITE} --debug --debug-tracker access.log", say="the tracker explains nothing"),
    Case(f"import_logs.py {SITE} --debug-request-limit=2 access.log", "/index.html?id=1 /file.pdf"),
    Case(f"import_logs.py {SITE} --dry-run access.log", "", say="would be tracked"),
    Case(f"import_logs.py {SITE} --dump-log-regex access.log", "", say="combined: "),
    Case(f"import_logs.py {SITE} --replay-tracking piwik.log", "/p", "action_name=Title"),
    Case(f"import_logs.py {URL} --replay-tracking piwik.log", "/p", "idsite=1"),
    Case(f"import_logs.py {URL} --replay-tracking --replay-tracking-expected-tracker-file=stats.php piwik.log", "/p"),
    Case(f"import_logs.py {SITE} --tracker-endpoint-path=/matomo.php access_1.log", "/one"),
    Case(f"import_logs.py {SITE} --api-url=http://matomo.example/api access_1.log", "/one"),
    Case(f"import_logs.py {SITE} --auth-user=web --auth-password=secret access_1.log", "/one"),
    Case(f"import_logs.py {SITE} --accept-invalid-ssl-certificate access_1.log", "/one"),
    Case("import_logs.py --url=http://matomo.example --idsite=1 --login=anna --password=secret access_1.log", "/one"),
    Case("import_logs.py --url=http://matomo.example --idsite=1 --login=anna --password=wrong access_1.log", "",
         say="makes no token for the user anna.", code=4),
    Case("import_logs.py --url=http://matomo.example --idsite=1 --login=anna access_1.log", "",
         say="--login and --password belong together.", code=2),
    Case("import_logs.py --url=http://matomo.example --idsite=1 access_1.log", "", say="There is no token.", code=2),
    Case(f"import_logs.py {SITE} --config=/var/www/matomo/config/config.ini.php access.log", "",
         say="config.ini.php is Matomo's own configuration, which log-importer does not need.", code=2),
    Case(f"import_logs.py {SITE} --php-binary=/usr/bin/php8.2 access.log", "", say="--php-binary needs Matomo's own", code=2),
    Case(f"import_logs.py {SITE} --enable-testmode access.log", "", say="--enable-testmode needs Matomo's own", code=2),
    Case("import_logs.py --idsite=1 --token-auth=TOKEN access.log", "", say="but no --url", code=2),
    Case(f"import_logs.py {SITE} --no-such-option access.log", "", say="No such option", code=2),
    Case(f"import_logs.py {SITE}", "", say="Missing argument 'SOURCE...'.", code=2),
]  # fmt: skip


def matomo(posted: Posted) -> Told:
    """A Matomo with sites of its own for two hosts; it knows one login."""
    if "/index.php" not in posted.path:
        return counted(len(posted.queries))
    form = posted.call
    method = form["method"]
    if method == "SitesManager.getSitesIdFromSiteUrl":
        return told_json([{"idsite": 1}] if form["url"] in ("a.example", "b.example") else [])
    if method == "SitesManager.addSite":
        return told_json({"value": 12})
    if method == "UsersManager.createAppSpecificTokenAuth":
        good = (form["userLogin"], form["passwordConfirmation"]) == ("anna", "secret")
        return told_json({"value": TOKENS.admin} if good else {"result": "error", "message": "wrong"})
    return told_json({"idsite": 1, "main_url": "http://site.example", "value": "5.2.0"})


def request(query: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(query[1:], keep_blank_values=True).items()}


@pytest.mark.parametrize("case", CASES, ids=[case.line[:100] for case in CASES])
def test_a_command_line_ends_as_its_user_means_it(case: Case, run: Run, tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_bytes(text.encode("latin-1") if name == "latin.log" else text.encode())
    words = shlex.split(case.line)
    stdin = b""
    if "<" in words:
        stdin = (tmp_path / words.pop()).read_bytes()
        words.pop()
    (tmp_path / "var").mkdir()
    with serve(matomo) as server:
        words = [word.replace("http://matomo.example", server.url).replace("TOKEN", TOKENS.admin) for word in words]
        if any("config.ini.php" in word for word in words):
            (tmp_path / "config.ini.php").write_text("; <?php exit; ?>\n[General]\n")
            words = [re.sub("/var/.*/", f"{tmp_path}/", word) for word in words]
        sources = [path for word in words for path in sorted(tmp_path.glob(word)) if "*" in word and word[0] != "-"]
        if sources:  # as the shell does
            words = [word for word in words if "*" not in word or word[0] == "-"] + [str(path) for path in sources]
        done = run("import", *words[1:], stdin=stdin)
        sent = [request(query) for posted in server.bulk for query in posted.queries]
    assert done.code == case.code, done
    found = sorted(re.sub("^https?://[^/]+", "", one["url"]) for one in sent)
    assert found == sorted(case.paths.split()), done
    if case.has:
        name, _, value = case.has.partition("=")
        assert {one.get(name, "") for one in sent} == {value}
    assert case.say in done.err + done.out
    if "--output" in case.line:
        assert "tracked" in (tmp_path / "import.out").read_text()
    assert TOKENS.admin not in done.err + done.out


def test_every_option_of_the_script_is_used_at_least_once(shared: Callable[[str], str]) -> None:
    text = shared("design/tracking.md")
    named = text.split("Accepted under the same names and meaning:")[1].split("Where the incumbent has")[0]
    options = set(re.findall(r"--[A-Za-z0-9-]+", named))
    used = {option for case in CASES for option in re.findall(r"--[A-Za-z0-9-]+", case.line)}
    assert len(options) > 60
    assert options - used == set()
    assert len(CASES) >= 60


@pytest.fixture
def shared() -> Callable[[str], str]:
    """Reads a file of the design, where it lies beside the project."""

    def read(name: str) -> str:
        from tests.conftest import missing

        path = ROOT.parent / "shared" / name
        if not path.exists():
            missing(f"../shared/{name}")
        return path.read_text()

    return read

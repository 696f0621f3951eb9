"""The SQL that carries the counts on: fresh actions, the visits that they changed, and the days of visitors.

A fact is of a span of days (spans.py). A visit changes as it goes on, so what was counted of it
is remembered (`visit`), taken away and counted anew.
"""

from enum import IntEnum

from log_importer.receiver.report.spans import DAY, EVER, MONTH, THIRD


class By(IntEnum):
    """What is counted, and by which label."""

    TYPE = 1  # actions by their type: view, download, outlink, search, event, goal, order
    HOUR = 2  # actions by hour of the day, UTC; goals and orders left out
    PAGE = 3  # views by address
    DOWNLOAD = 4  # downloads by address
    SEARCH = 5  # site searches by keyword
    VISIT = 10  # visits, with an empty label
    VISIT_HOUR = 11  # visits by the hour in which they began
    ENTRY = 12  # visits by their first page
    REFERRER_TYPE = 13
    REFERRER = 14  # visits by type and name of the referrer, a tab between
    COUNTRY = 15  # two letters, xx where unknown
    LANGUAGE = 16  # as the browser says it
    AGENT = 17  # visits by user agent


SCHEMA = """
CREATE TABLE known (store TEXT, action INTEGER, visit INTEGER, version INTEGER);
CREATE TABLE label (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE fact (
    kind INTEGER, site INTEGER, span INTEGER, label INTEGER, n INTEGER, PRIMARY KEY (kind, site, span, label)
) WITHOUT ROWID;
CREATE TABLE visit (
    idvisit INTEGER PRIMARY KEY, site INTEGER, day INTEGER, hour INTEGER, visitor TEXT, entry INTEGER,
    referrer_type INTEGER, referrer INTEGER, country INTEGER, language INTEGER, agent INTEGER
);
CREATE TABLE seen (site INTEGER, visitor TEXT, day INTEGER, visits INTEGER, PRIMARY KEY (site, visitor, day))
    WITHOUT ROWID;
-- visitors of a day by the day before on which they had come, 0 for none: so the visitors of any days can be added up
CREATE TABLE newcomer (site INTEGER, day INTEGER, before INTEGER, n INTEGER, PRIMARY KEY (site, day, before))
    WITHOUT ROWID;
"""

_DAY = "CAST(substr({0}, 1, 4) || substr({0}, 6, 2) || substr({0}, 9, 2) AS INTEGER)"
_LABELS = "INSERT OR IGNORE INTO label (text) SELECT DISTINCT {} FROM {}"
_ID = "(SELECT id FROM label WHERE text = {})"
_TABLES = ("fresh", "change", "touched", "new_visit", "who")


def _count_actions(kind: By, label: str, condition: str) -> str:
    return f"""INSERT INTO temp.change SELECT {kind}, site, day, label.id, n FROM (
        SELECT site, day, {label} AS text, count(*) AS n FROM temp.fresh WHERE {condition} GROUP BY 1, 2, 3
    ) JOIN label USING (text)"""  # noqa: S608 - our names


FRESH_ACTIONS = (
    *(f"DROP TABLE IF EXISTS temp.{name}" for name in _TABLES),
    "CREATE TEMP TABLE change (kind INTEGER, site INTEGER, day INTEGER, label INTEGER, n INTEGER)",
    f"""CREATE TEMP TABLE fresh AS
        SELECT idvisit, idsite AS site, {_DAY.format("time")} AS day, substr(time, 12, 2) AS hour, type,
               coalesce(url, '') AS url, search_keyword AS keyword
        FROM store.action WHERE idaction > :first AND idaction <= :last""",  # noqa: S608 - our names
    *(_LABELS.format(column, "temp.fresh") for column in ("type", "hour", "url")),
    _LABELS.format("keyword", "temp.fresh WHERE keyword IS NOT NULL"),
    _count_actions(By.TYPE, "type", "true"),
    _count_actions(By.HOUR, "hour", "type NOT IN ('goal', 'order')"),
    _count_actions(By.PAGE, "url", "type = 'view'"),
    _count_actions(By.DOWNLOAD, "url", "type = 'download'"),
    _count_actions(By.SEARCH, "keyword", "type = 'search'"),
)

_OF_VISITS = {
    By.VISIT: _ID.format("''"), By.VISIT_HOUR: "hour", By.ENTRY: "entry", By.REFERRER_TYPE: "referrer_type",
    By.REFERRER: "referrer", By.COUNTRY: "country", By.LANGUAGE: "language", By.AGENT: "agent",
}  # fmt: skip
_TEXTS = {
    "hour": "substr(first_action_time, 12, 2)", "entry": "coalesce(entry_url, '')", "referrer_type": "referrer_type",
    "referrer": "referrer_type || char(9) || coalesce(referrer_name, '')", "country": "country",
    "language": "coalesce(language, '')", "agent": "user_agent",
}  # fmt: skip
_ENTERED = "store.visit WHERE idvisit IN (SELECT idvisit FROM temp.touched)"

FRESH_VISITS = (
    # A visit may be there without an action: its first request brought an order that another had brought.
    """CREATE TEMP TABLE touched AS SELECT DISTINCT idvisit FROM temp.fresh
        UNION SELECT idvisit FROM store.visit
        WHERE idvisit > :visits AND idvisit <= (
            SELECT CASE WHEN coalesce(max(idaction), 0) <= :last
                THEN (SELECT max(idvisit) FROM store.visit) ELSE (SELECT max(idvisit) FROM temp.fresh) END
            FROM store.action)""",
    "CREATE UNIQUE INDEX temp.touched_by_id ON touched (idvisit)",
    *(_LABELS.format(text, _ENTERED) for text in ("''", *_TEXTS.values())),
    f"""CREATE TEMP TABLE new_visit AS
        SELECT idvisit, idsite AS site, {_DAY.format("first_action_time")} AS day, visitor,
               {", ".join(f"{_ID.format(text)} AS {column}" for column, text in _TEXTS.items())}
        FROM {_ENTERED}""",  # noqa: S608 - our names
    *(
        f"INSERT INTO temp.change SELECT {kind}, site, day, {label}, {sign}count(*) FROM {table} GROUP BY 2, 3, 4"  # noqa: S608
        for kind, label in _OF_VISITS.items()
        for sign, table in (("-", "visit WHERE idvisit IN (SELECT idvisit FROM temp.touched)"), ("", "temp.new_visit"))
    ),
)

_PAIRS = """SELECT site, day, lag(day, 1, 0) OVER (PARTITION BY site, visitor ORDER BY day) AS before
    FROM seen JOIN temp.who USING (site, visitor)"""

VISITORS = (
    """CREATE TEMP TABLE who AS
        SELECT site, visitor FROM temp.new_visit
        UNION SELECT site, visitor FROM visit WHERE idvisit IN (SELECT idvisit FROM temp.touched)""",
    f"""INSERT INTO newcomer SELECT site, day, before, -count(*) FROM ({_PAIRS}) GROUP BY 1, 2, 3
        ON CONFLICT DO UPDATE SET n = n + excluded.n""",  # noqa: S608 - our names
    """INSERT INTO seen SELECT site, visitor, day, -count(*) FROM visit
        WHERE idvisit IN (SELECT idvisit FROM temp.touched) GROUP BY 1, 2, 3
        ON CONFLICT DO UPDATE SET visits = visits + excluded.visits""",
    """INSERT INTO seen SELECT site, visitor, day, count(*) FROM temp.new_visit WHERE true GROUP BY 1, 2, 3
        ON CONFLICT DO UPDATE SET visits = visits + excluded.visits""",
    """DELETE FROM seen WHERE visits <= 0 AND (site, visitor) IN (SELECT site, visitor FROM temp.who)""",
    f"""INSERT INTO newcomer SELECT site, day, before, count(*) FROM ({_PAIRS}) WHERE true GROUP BY 1, 2, 3
        ON CONFLICT DO UPDATE SET n = n + excluded.n""",  # noqa: S608 - our names
)

_COLUMNS = "idvisit, site, day, hour, visitor, entry, referrer_type, referrer, country, language, agent"

FOLD = (
    f"INSERT OR REPLACE INTO visit ({_COLUMNS}) SELECT {_COLUMNS} FROM temp.new_visit",  # noqa: S608 - our names
    *(
        f"""INSERT INTO fact SELECT kind, site, {span}, label, sum(n) FROM temp.change WHERE true
            GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0 ON CONFLICT DO UPDATE SET n = n + excluded.n"""  # noqa: S608
        for span in (DAY, THIRD, MONTH, EVER)
    ),
    "UPDATE known SET action = :last, visit = max(visit, (SELECT coalesce(max(idvisit), 0) FROM temp.touched))",
)

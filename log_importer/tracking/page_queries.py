"""Query parameters of a page that a Matomo reads itself: it keeps the address without them, or as a search."""

CAMPAIGN_NAMES = (
    "mtm_campaign", "matomo_campaign", "mtm_cpn", "pk_campaign", "pk_cpn", "piwik_campaign",
    "utm_campaign", "utm_source", "utm_medium",
)  # fmt: skip
CAMPAIGN_KEYWORDS = ("mtm_keyword", "matomo_kwd", "mtm_kwd", "pk_kwd", "pk_keyword", "piwik_kwd", "utm_term")
_CLICK_IDS = (
    "gclid", "fbclid", "msclkid", "twclid", "wbraid", "gbraid", "yclid", "dclid", "igshid", "ttclid", "epik",
    "_hsenc", "mc_cid", "mc_eid",
)  # fmt: skip
_SESSIONS = ("phpsessid", "jsessionid", "sessionid", "aspsessionid", "sid", "zenid", "cfid", "cftoken")
DROPPED = frozenset((*CAMPAIGN_NAMES, *CAMPAIGN_KEYWORDS, *_CLICK_IDS, *_SESSIONS))
"""Those that are not kept."""
SEARCH_PARAMETERS = ("q", "query", "s", "search", "searchword", "k", "keyword")
"""Those that make a view a site search, on a stock server."""

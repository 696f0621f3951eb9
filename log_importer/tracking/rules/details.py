"""What is told of a skipped line beside its reason: the bot by its name, the error by its status."""

from log_importer.model import Hit
from log_importer.tracking.rules.bots import Bot

BY_ADDRESS = "search engine, by its address"
"""Instead of the name of a bot that only its address gives away."""
OTHER_STATUS = "other"


def detail_of(reason: str, hit: Hit, bot: Bot | None) -> str:
    """The detail of a hit that is skipped for `reason`, "" for reasons that have none; there are few of each reason."""
    if reason == "bot":
        return BY_ADDRESS if bot is None else bot.name
    if reason == "status-error":
        return str(hit.status) if hit.status is not None and hit.status < 600 else OTHER_STATUS
    return ""

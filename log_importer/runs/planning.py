"""What the workers of a run compile, by its settings and what is known of its sources and sites."""

from collections.abc import Mapping

from log_importer.model import Site
from log_importer.runs.reading.chunks_in_order import Inputs
from log_importer.runs.reading.survey import reading_of
from log_importer.settings import Settings
from log_importer.sources.unicode import text_codec
from log_importer.tracking.replay import TRACKER_FILES, Replay
from log_importer.tracking.requests import Tracking
from log_importer.translation.plan import Plan


def plan_of(
    settings: Settings, inputs: Inputs, site: Site | None, sites: Mapping[int, Site], *, ai_bots: bool = False
) -> Plan:
    """What the workers compile."""
    expected = settings.replay_tracking_expected_tracker_file
    changes = settings.changes
    files = (expected,) if expected else TRACKER_FILES
    return Plan(
        replay=Replay(files, changes.add_to_date, changes.drop_parameters) if settings.replay_tracking else None,
        site=site,
        sites=sites,
        formats=inputs.formats,
        fallbacks=inputs.fallbacks,
        encoding=text_codec(settings.encoding),
        reading=reading_of(settings),
        selection=settings.selection,
        changes=settings.changes,
        rules=settings.rules,
        tracking=Tracking(
            bots=settings.selection.bots,
            static=settings.selection.static,
            reverse_dns=settings.enable_reverse_dns,
            log_hostname=settings.log_hostname,
            downloads=settings.selection.downloads,
            visitor_ids=settings.visitor_id,
            title_delimiter=settings.title_category_delimiter,
            ai_bots=ai_bots,
        ),
        max_line_bytes=settings.max_line_bytes,
        shard=settings.shard,
        keep_rejected=settings.rejects is not None or settings.debug > 1,
        keep_skipped=settings.debug > 1,
    )

"""The sources of a run, looked at before it begins: where they are, their formats, and whether the options fit them."""

from collections.abc import Callable, Collection

from log_importer.ledger.ledger import Ledger
from log_importer.model import FIELDS
from log_importer.model.errors import SourceError, UsageError
from log_importer.parsing.detect import Detector
from log_importer.parsing.parser import Reading, compile_parser, named_zone
from log_importer.parsing.spec import FormatSpec
from log_importer.runs.reading.chunks_in_order import Inputs
from log_importer.runs.reading.probe import Probe, probe
from log_importer.runs.reading.recognise import finished
from log_importer.settings import Settings
from log_importer.settings.format_choice import formats_of, without_fields
from log_importer.sources.find import Source, find_sources
from log_importer.sources.unicode import text_codec
from log_importer.tracking.rules.changes import scrubber
from log_importer.tracking.rules.mapping import wanted_columns


def look(settings: Settings, say: Callable[[str], None], ledger: Ledger | None = None) -> Inputs:
    """Finds the sources, oldest first, and detects the formats of those that are not done.

    Raises `UsageError` for what the user asked for.
    """
    formats, chosen = formats_of(settings)
    # What a spool holds is looked at when it is read: standard input itself must be left alone.
    arguments = () if settings.spool else settings.sources
    sources, errors = find_sources(arguments, settings.encoding, settings.max_decompress_memory)
    reading = reading_of(settings)
    scrub = scrubber(settings.changes) or str
    detector = Detector(formats.values(), reading)  # one for all: to compile the formats takes longer than one file

    def look_at(source: Source) -> Probe:
        return probe(source, detector, chosen, settings.max_line_bytes, text_codec(settings.encoding), scrub)

    probes = []
    for source in sources:
        record = finished(source, ledger) if ledger is not None and not settings.again else None
        if record is not None:
            probes.append(Probe(source, record.format, False, None, "", finished=record))
            continue
        try:
            probes.append(look_at(source))
        except SourceError as error:
            errors.append(error)
    for one in probes if not settings.follows else ():  # who follows is told of each when it is opened
        if one.remark:
            say(one.remark)
    # A visit goes on over log rotation, so what is older is read first; a pipe may never end. Of files whose
    # first lines are of one second, as after two rotations, the older was written last before the other.
    probes.sort(
        key=lambda one: (
            one.source.pipe, one.first_time is None, one.first_time or 0.0, one.source.mtime_ns
        )
    )  # fmt: skip
    used = {one.format: formats[one.format] for one in probes if one.format in formats}
    # A log may turn to another format in its middle, when the server's configuration was changed.
    others = (
        () if chosen else tuple(one for one in formats.values() if one.detect_automatically and one.driver != "w3c")
    )
    if settings.follows:  # files to come may be in any
        used = dict(formats)
    if settings.ignore_groups:
        used = {name: without_fields(spec, settings.ignore_groups) for name, spec in used.items()}
    _check_columns(reading, [used[name] for name in dict.fromkeys(one.format for one in probes) if name in used])
    return Inputs(probes, used, errors, others, reading, text_codec(settings.encoding), look_at)


def reading_of(settings: Settings) -> Reading:
    """How lines are read."""
    zone = named_zone(settings.timezone, "--timezone")
    columns = wanted_columns(settings.rules)
    if settings.client_ip_from and settings.client_ip_from not in FIELDS:
        columns = tuple(dict.fromkeys((*columns, settings.client_ip_from)))
    return Reading(zone, settings.accept_any_client, columns, settings.client_ip_from, settings.trusted_proxies)


def check_hosts(settings: Settings, inputs: Inputs) -> None:
    """Raises `UsageError` where sites are found by host, and no line of a source names one."""
    if settings.idsite or settings.idsite_fallback or settings.log_hostname or settings.replay_tracking:
        return
    for one in inputs.probes:
        spec = inputs.formats.get(one.format)
        if spec is not None and "host" not in spec.fields and one.finished is None:
            raise UsageError(
                f"{one.source.name}: no line of the format {spec.name} names its host, so none would find its site.",
                "Name the site with --idsite, or the host with --log-hostname.",
            )


def _check_columns(reading: Reading, formats: Collection[FormatSpec]) -> None:
    """Raises `UsageError` where a column is asked for that no pattern has; JSON and W3C logs may have any."""
    parsers = [compile_parser(spec) for spec in formats if spec.driver == "regex"]
    if not parsers or len(parsers) < len(formats):
        return
    columns = {column for parser in parsers for column in parser.columns}
    if unknown := [name for name in reading.extra if name not in columns]:
        raise UsageError(
            f"There is no column {unknown[0]!r} in the log's format, {parsers[0].name}.",
            f"There are: {', '.join(sorted(columns))}.",
        )

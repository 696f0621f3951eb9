"""The checks that every format file passes: the tests and `log-importer formats check` run this same function."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from log_importer.model import Hit, Rejected
from log_importer.model.errors import FormatError
from log_importer.parsing.detect import Detector
from log_importer.parsing.linear import ambiguity
from log_importer.parsing.lines import LineReader
from log_importer.parsing.spec import FormatSpec, Sample
from log_importer.parsing.text import split_lines


def check(spec: FormatSpec, detector: Detector) -> list[str]:
    """Every fault of `spec`, a sentence each; `detector` is of all formats among which it must be told, and of it."""
    try:
        return [f"{spec.origin}: {problem}" for problem in _problems(spec, detector)]
    except FormatError as error:
        return [str(error)]


def _problems(spec: FormatSpec, detector: Detector) -> Iterator[str]:
    yield from _patterns(spec)
    if not spec.samples:
        yield "there is no sample; add a [[sample]] with lines of a real log and the hits they become."
    exercised = set[str]()
    for number, sample in enumerate(spec.samples, 1):
        hits, rejected = read_sample(spec, sample)
        for hit in hits:
            exercised.update(name for name, value in hit._asdict().items() if value is not None)
        yield from _differences(number, sample, hits, rejected)
        if spec.detect_automatically and sample.hits:
            yield from _detection(number, sample, spec, detector)
    for name in spec.fields:
        if spec.samples and name not in exercised:
            yield f"fields.{name} has a value in no sample; add a line in which it has."


def _patterns(spec: FormatSpec) -> Iterator[str]:
    patterns = {f"extract.{column}.pattern": pattern for column, pattern in spec.extract.items()}
    if spec.driver == "regex":
        patterns["regex.pattern"] = spec.options["pattern"]
    flags = re.VERBOSE | re.ASCII if spec.options.get("verbose", True) else re.ASCII
    for key, pattern in patterns.items():
        try:
            problem = ambiguity(pattern, flags)
        except re.error as error:
            problem = f"it is not a pattern: {error}"
        if problem:
            yield f"{key} may take longer than linear time on a hostile line: {problem}."


def read_sample(spec: FormatSpec, sample: Sample) -> tuple[list[Hit], int]:
    """The hits that the sample's lines become, and how many were rejected."""
    reader = LineReader(spec)
    outcomes = [reader.read(line) for line in split_lines(sample.log)]
    hits = [outcome for outcome in outcomes if isinstance(outcome, Hit)]
    return hits, sum(isinstance(outcome, Rejected) for outcome in outcomes)


def _differences(number: int, sample: Sample, hits: list[Hit], rejected: int) -> Iterator[str]:
    if rejected != sample.rejected:
        yield f"sample {number}: {rejected} lines are rejected, and {sample.rejected} should be."
    if len(hits) != len(sample.hits):
        yield f"sample {number}: {len(hits)} lines become hits, and it lists {len(sample.hits)}."
    for index, (hit, expected) in enumerate(zip(hits, sample.hits, strict=False), 1):
        found = {name: value for name, value in hit._asdict().items() if value is not None}
        wanted = _as_values(expected)
        for name in sorted(found.keys() | wanted.keys()):
            if found.get(name) != wanted.get(name):
                yield f"sample {number}, hit {index}: {name} is {found.get(name)!r}, expected {wanted.get(name)!r}."


def _as_values(expected: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.timestamp() if isinstance(value, datetime) else value for name, value in expected.items()}


def _detection(number: int, sample: Sample, spec: FormatSpec, detector: Detector) -> Iterator[str]:
    found = detector.detect(split_lines(sample.log))
    if found.tied:
        yield f"sample {number}: the formats {', '.join(found.tied)} fit its lines equally well."
    elif found.best is None or found.best.spec.name != spec.name:
        name = found.best.spec.name if found.best else "none"
        yield f"sample {number}: its lines are detected as {name}, not as {spec.name}."

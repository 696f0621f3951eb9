"""The S3 server of the tests of remote sources, for shared folders too."""

from tests.sources.remote.conftest import here, s3

__all__ = ["here", "s3"]

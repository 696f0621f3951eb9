"""The S3 server of the tests of remote sources, for imports on a cluster too."""

from tests.sources.remote.conftest import here, s3

__all__ = ["here", "s3"]

"""Real web servers write under load while real programs rotate their logs or lead them through a pipe."""

import pytest

pytest.register_assert_rewrite("tests.runs.reading.live.follower")  # so that it says which requests are missing

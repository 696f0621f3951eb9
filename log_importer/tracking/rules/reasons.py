"""Every reason that log-importer itself gives for a line that is not tracked; the README says what each means."""

REASONS = frozenset(
    """
    replay blank bot client-address comment date directive download host interrupted invalid ip load method
    no-site other-shard oversize partial path pattern-time poison skip static status status-error status-redirect
    time time-future time-too-old too-large twice unreadable user-agent
""".split()
)

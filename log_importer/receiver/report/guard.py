"""What the page may do in a browser, and who may ask for it."""

from ipaddress import ip_address
from socket import gethostname

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_own(host: str, listening: str) -> bool:
    """Whether a Host header names this machine as its owner would.

    A page of another site can have its own name lead to this machine and then read what is here. No name but these
    leads here by itself, and an address in digits cannot be made to lead elsewhere.
    """
    name = host.strip().lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if name in {"localhost", listening.lower(), gethostname().lower()}:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True

"""Web servers of Debian, each with the access log that it writes when nobody says otherwise."""

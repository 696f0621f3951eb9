"""`python -m log_importer` is `log-importer`."""

from log_importer.cli import main

if __name__ == "__main__":
    main()

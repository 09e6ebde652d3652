"""The command line's `--help`: how long a person waits for the list of commands."""

LABEL = "arrowetl --help"
PACKAGES = ("arrowetl",)
NOT_APPLICABLE: dict[str, str] = {}
STARTUP = "from arrowetl.cli import main; main(['--help'])"

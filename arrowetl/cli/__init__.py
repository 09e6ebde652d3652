"""The command line: arguments to a configuration to a Pipeline, printing, exit codes.

Whatever takes time to import is imported inside the commands: `arrowetl --help` is quick.
"""

from arrowetl.cli.app import main
from arrowetl.cli.doctor import doctor
from arrowetl.cli.pipelines import explain, preview, run, schema, validate
from arrowetl.cli.profile import profile
from arrowetl.cli.tune import tune
from arrowetl.cli.types import types

__all__ = ["main"]

for command in (run, explain, preview, validate, doctor, types, schema, profile, tune):
    main.add_command(command)

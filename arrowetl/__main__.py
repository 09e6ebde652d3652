"""`python -m arrowetl` is `arrowetl`."""

from arrowetl.cli import main

if __name__ == "__main__":
    main(prog_name="arrowetl")

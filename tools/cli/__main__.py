"""The command line: `python -m tools.cli COMMAND`; each command lives in the module of its name."""

import importlib
import sys

import typer

# A command's module is imported only when it is asked for: matching text needs no image library.
COMMANDS = {
    "fingerprint-references": "tools.cli.fingerprint_references",
    "match": "tools.cli.match",
    "match-frames": "tools.cli.match_frames",
    "train": "tools.cli.train",
}


def commands() -> None:
    """Spotlight's commands for people with files."""


def app_for(arguments: list[str]) -> typer.Typer:
    """The app with the command asked for, or with all of them for the help."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(commands)
    asked = next((a for a in arguments if a in COMMANDS), None)
    for name in (asked,) if asked else COMMANDS:
        module = importlib.import_module(COMMANDS[name])
        app.command(name)(getattr(module, name.replace("-", "_")))
    return app


if __name__ == "__main__":
    app_for(sys.argv[1:])()

"""The command line: `python -m tools.cli COMMAND`; each command lives in the module of its name."""

import typer

from tools.cli.match_frames import match_frames

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def commands() -> None:
    """Spotlight's commands for people with files."""


app.command("match-frames")(match_frames)

if __name__ == "__main__":
    app()

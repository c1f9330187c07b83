"""The console script `al`: finds the command, runs it, and turns an error into words and an exit code, here alone."""

from __future__ import annotations

import gc
import os
import sys

from alvps.cli.commands import COMMANDS, root_help

INTERRUPTED = 130  # what a shell reports for a process ended by SIGINT (128 + 2)
BROKEN_PIPE = 141  # 128 + SIGPIPE
BUG = 70  # sysexits.h, EX_SOFTWARE


def main() -> None:
    """Run `al` with the process's arguments and exit."""
    gc.set_threshold(50_000)  # looking through what imports make, again and again, is a twentieth of a short command
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """Run one command line and return its exit code. Prints; never raises for what a user can cause."""
    if "_AL_COMPLETE" not in os.environ:
        # answered from a table, without importing the command-line library: these two must feel instant
        if argv in ([], ["--help"], ["-h"], ["help"]):
            print(root_help())
            return 0
        if argv == ["--version"]:
            from alvps import __version__

            print(f"al {__version__}")
            return 0
    return _dispatch(argv)


def _dispatch(argv: list[str]) -> int:  # noqa: PLR0911  # a return per kind of ending is the point
    import click

    from alvps.cli import report
    from alvps.cli.group import root
    from alvps.errors import AlError

    as_json = "--json" in argv
    try:
        result = root.main(args=argv, prog_name="al", standalone_mode=False)
    except AlError as error:
        report.show_error(error, as_json=as_json)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        report.show_usage(error, COMMANDS, as_json=as_json)
        return 2
    except (KeyboardInterrupt, click.Abort):
        report.show_interrupted()
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`al logs | head`): say nothing, and keep the last flush quiet too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the outermost line of the program: a bug must end in words too
        report.show_bug(error)
        return BUG
    return result if isinstance(result, int) else 0

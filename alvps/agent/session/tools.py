"""The tools that the model has, and what happens when it calls one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from alvps.agent.session import files, shell

DEFAULT_TIME = 120.0  # seconds for a command, unless the model asks for more or less

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument: its JSON type, what it means, whether it must be given."""

    type: str
    description: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as the model is told of it."""

    name: str
    description: str
    parameters: dict[str, Parameter]

    def schema(self) -> dict[str, Any]:
        """The JSON schema of its arguments."""
        return {
            "type": "object",
            "properties": {
                name: {"type": one.type, "description": one.description} for name, one in self.parameters.items()
            },
            "required": [name for name, one in self.parameters.items() if one.required],
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True)
class Called:
    """What came of a call: `text` is what the model is told.

    A command that ended badly did run: its output is a result as any other. A refused call is marked as an error.
    """

    text: str
    refused: bool = False  # it could not be done as it was asked for
    code: int = 0  # of a command

    @property
    def failed(self) -> bool:
        """Whether the log calls it an error."""
        return self.refused or self.code != 0


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "bash",
            "Run a command with bash. Returns its standard output and standard error together, and its exit code if"
            " that is not 0. Long output is cut in the middle. Each call starts in the same working directory with the"
            " same environment; what runs in the background goes on.",
            {
                "command": Parameter("string", "The command line."),
                "timeout": Parameter("number", "Seconds after which it is killed; 120 if not given.", required=False),
            },
        ),
        Tool(
            "read_file",
            "Read a text file, or some lines of it.",
            {
                "path": Parameter("string", "The file; relative paths start at the working directory."),
                "offset": Parameter("integer", "The first line to read, counted from 1.", required=False),
                "limit": Parameter("integer", "How many lines to read; 2000 if not given.", required=False),
            },
        ),
        Tool(
            "write_file",
            "Write a file as a whole; folders that are missing are made, a file that is there is replaced.",
            {
                "path": Parameter("string", "The file."),
                "content": Parameter("string", "Everything that shall be in it."),
            },
        ),
        Tool(
            "edit_file",
            "Replace a piece of text in a file by another. The piece must be given exactly as it is in the file, and be"
            " there only once unless replace_all is set.",
            {
                "path": Parameter("string", "The file."),
                "old": Parameter("string", "The text to replace, with enough around it to be unique."),
                "new": Parameter("string", "The text to put there."),
                "replace_all": Parameter("boolean", "Replace it wherever it is.", required=False),
            },
        ),
    )
}


@dataclass(slots=True)
class Toolbox:
    """Does the calls. `left` says how many seconds the run has, if that is known."""

    cwd: str
    env: dict[str, str]
    left: Callable[[], float | None] = field(default=lambda: None)

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Called:
        """Do one call; whatever goes wrong in it is told to the model."""
        wrong = unfit(name, arguments)
        if wrong is not None:
            return Called(wrong, refused=True)
        given = {key: value for key, value in arguments.items() if value is not None}
        doers: dict[str, Callable[..., Awaitable[Called]]] = {
            "bash": self._bash,
            "read_file": self._read,
            "write_file": self._write,
            "edit_file": self._edit,
        }
        try:
            return await doers[name](**given)
        except files.Refused as refused:
            return Called(str(refused), refused=True)
        except (OSError, ValueError) as error:  # ValueError: a NUL in a path
            about = str(arguments.get("path") or "the shell")
            return Called(f"{about}: {getattr(error, 'strerror', None) or error}", refused=True)

    async def _bash(self, command: str, timeout: float = DEFAULT_TIME) -> Called:
        left = self.left()
        seconds = max(0.1, timeout if left is None else min(timeout, left))
        result = await shell.run(command, timeout=seconds, cwd=self.cwd, env=self.env)
        text = result.output.text()
        if result.timed_out:
            note = f"[killed after {seconds:g} seconds with all that it had started; ask for more time if it needs it]"
            return Called(_joined(text, note), code=result.code)
        if result.code:
            return Called(_joined(text, f"[exit code {result.code}]"), code=result.code)
        return Called(text or "[no output]")

    async def _read(self, path: str, offset: int = 1, limit: int = files.LINES) -> Called:
        return Called(files.read_file(self._at(path), offset, limit))

    async def _write(self, path: str, content: str) -> Called:
        return Called(files.write_file(self._at(path), content))

    async def _edit(self, path: str, old: str, new: str, replace_all: bool = False) -> Called:
        return Called(files.edit_file(self._at(path), old, new, replace_all=replace_all))

    def _at(self, path: str) -> str:
        return path if path.startswith("/") else f"{self.cwd}/{path}"


def unfit(name: str, arguments: Mapping[str, Any]) -> str | None:
    """What is wrong with a call, for the model to do it again; None when it can be done."""
    tool = TOOLS.get(name)
    if tool is None:
        return f"there is no tool {name[:80]!r}; the tools are {', '.join(TOOLS)}"
    for key, value in arguments.items():
        parameter = tool.parameters.get(key)
        if parameter is None:
            return f"{name} takes no argument {key[:80]!r}; it takes {', '.join(tool.parameters)}"
        if value is None and not parameter.required:
            continue
        fits = isinstance(value, _TYPES[parameter.type]) and (parameter.type == "boolean") == isinstance(value, bool)
        if not fits:
            return f"{name}: {key} must be of the type {parameter.type}"
    missing = [key for key, one in tool.parameters.items() if one.required and key not in arguments]
    return f"{name} lacks {', '.join(missing)}" if missing else None


def _joined(text: str, note: str) -> str:
    return note if not text else text + ("" if text.endswith("\n") else "\n") + note

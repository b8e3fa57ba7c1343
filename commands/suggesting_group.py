"""A group of commands that suggests the nearest one for an unknown name."""

import difflib

import click

_SDF_TOOLS = ("mesh2sdf", "mesh-to-sdf", "mesh-to-voxels", "sdf", "voxelize", "voxelise")
_ELSEWHERE = {
    **dict.fromkeys(_SDF_TOOLS, ("preprocess",)),
    **dict.fromkeys(("convert", "prepare", "process"), ("preprocess", "export", "import")),
    **dict.fromkeys(("manifold", "manifoldplus", "remesh", "repair"), ("watertight",)),
    **dict.fromkeys(("fit", "resume", "finetune"), ("train",)),
    **dict.fromkeys(("test", "score", "metrics"), ("evaluate",)),
    **dict.fromkeys(("encode", "embed", "complete"), ("reconstruct",)),
    **dict.fromkeys(("show", "viz", "visualize", "visualise", "gui"), ("view", "inspect")),
    **dict.fromkeys(("info", "verify", "check", "stats", "list"), ("inspect", "status")),
    **dict.fromkeys(("render", "plot", "draw"), ("figure", "inspect")),
    **dict.fromkeys(("tensorboard", "log", "logs", "progress"), ("status",)),
}
"""Name that another project or habit gives -> commands that do this here."""


class SuggestingGroup(click.Group):
    """A group that suggests commands; newer versions of click do so for names that are spelt alike.

    This one also suggests commands that begin with the name, those of its groups (`upscale` gives
    `figure upscale`), and those that do what other projects call by the name (`_ELSEWHERE`).
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command.

        Raises:
            click.UsageError: there is none; the message has suggestions.
        """
        name = args[0]
        known = self.get_command(ctx, name) is not None
        if known or ctx.resilient_parsing or name.startswith("-"):
            return super().resolve_command(ctx, args)
        message = f"No such command '{name}'."
        if close := self._suggestions(name):
            message += f" Did you mean {' or '.join(repr(one) for one in close)}?"
        raise click.UsageError(message, ctx)

    def _suggestions(self, name: str) -> list[str]:
        """Commands of similar names, at most three."""
        paths: dict[str, str] = {}
        for own, command in self.commands.items():
            paths.setdefault(own, own)
            if isinstance(command, click.Group):
                for below in command.commands:
                    paths.setdefault(below, f"{own} {below}")
        word = name.lower().replace("_", "-")
        if elsewhere := [one for one in _ELSEWHERE.get(word, ()) if one in paths]:
            return elsewhere
        begins = [one for one in paths if len(word) > 1 and one.startswith(word)]
        close = difflib.get_close_matches(word, paths, n=3)
        return [paths[one] for one in dict.fromkeys([*begins, *close])][:3]

"""Compiles the C beside this when the package is built or installed, where there is a C compiler."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any
from zlib import crc32

from hatchling.builders.hooks.plugin.interface import BuildHookInterface  # type: ignore[import-not-found]

HERE = Path("log_importer/native")
LIBRARY = "columns.so"


class CompileColumns(BuildHookInterface):  # type: ignore[misc]
    """Adds the library to a wheel, or puts it beside its source for an editable install."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Leaves the package as it is, pure Python, where nothing can be compiled."""
        folder = Path(self.root) / HERE
        compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
        if self.target_name != "wheel" or compiler is None:
            return
        sources = sorted(folder.glob("*.[ch]"))
        built_from = crc32(b"".join(path.read_bytes() for path in sources))
        command = [
            compiler, "-O3", "-shared", "-fPIC", "-fvisibility=hidden", "-o", str(folder / LIBRARY),
            f"-DBUILT_FROM={built_from}u", *[str(path) for path in sources if path.suffix == ".c"], "-lm",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
        if done.returncode:
            sys.stderr.write(f"The C was not compiled, so log-importer will be slower: {done.stderr}\n")
            return
        build_data["artifacts"].append(f"{HERE}/{LIBRARY}")
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"

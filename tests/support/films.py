"""Films, read back."""

import re
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray


def read_film(path: Path) -> tuple[str, NDArray[np.uint8]]:
    """Read the report of ffmpeg about a film, and its frames (F, H, W, 3)."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo"]
    done = subprocess.run([*command, "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
    report = done.stderr.decode().split("Output #0")[0]
    size = re.search(r"Video: .* (\d+)x(\d+)", report)
    assert size is not None, report
    width, height = map(int, size.groups())
    return report, np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)

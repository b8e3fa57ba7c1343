"""Meshes that are processed as always, and are not done before a file called `gate` is away.

So a proof decides how far a run comes, on a quick machine and on a busy one.
"""

import os
import time
from pathlib import Path

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.run.process_mesh import process as process_mesh
from shapegan.pipeline.schema import Job, Outcome


def process(job: Job, config: PreprocessConfig, device: str = "cpu") -> Outcome:
    """As `shapegan.pipeline.run.process_mesh.process`, but for the waiting."""
    outcome = process_mesh(job, config, device)
    while Path(os.environ["GATE"]).exists():
        time.sleep(0.05)
    return outcome

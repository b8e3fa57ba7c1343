"""Meshes that are processed as always, and are not done before a file called `gate` is away.

So a proof decides how far a run comes, on a quick machine and on a busy one.
"""

import os
import time
from pathlib import Path

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.discover import Job
from shapegan.pipeline.process import process as process_mesh
from shapegan.pipeline.schema import Outcome


def process(job: Job, config: PreprocessConfig, device: str = "cpu") -> Outcome:
    """As `shapegan.pipeline.process.process`, but for the waiting."""
    outcome = process_mesh(job, config, device)
    while Path(os.environ["GATE"]).exists():
        time.sleep(0.05)
    return outcome

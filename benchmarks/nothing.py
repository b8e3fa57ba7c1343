"""A mesh's process that does nothing: what is left is the cost of handing meshes out."""

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.schema import Job, MeshReport, Outcome


def process(job: Job, config: PreprocessConfig, device: str = "cpu") -> Outcome:  # noqa: ARG001
    """Turns the mesh away at once."""
    return Outcome(MeshReport(job.id, job.category, job.relative, "rejected", "nothing is done"))

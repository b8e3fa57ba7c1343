"""Processing of a mesh that does nothing, so that only the cost of distribution remains."""

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.schema import Job, MeshReport, Outcome


def process(job: Job, config: PreprocessConfig, device: str = "cpu") -> Outcome:  # noqa: ARG001
    """Reject the mesh at once."""
    return Outcome(MeshReport(job.id, job.category, job.relative, "rejected", "nothing is done"))

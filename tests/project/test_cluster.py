"""The proofs of `tests/cluster`, where they can run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "cluster"
PROGRAMS = {
    "slurm.sh": ("unshare", "ip", "slurmctld", "slurmd", "munged"),
    "hosts.sh": ("unshare", "ip"),
}


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("name", PROGRAMS)
def test_each_cluster_script_ends_well(name: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, for namespaces of processes and networks")
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [one for one in PROGRAMS[name] if shutil.which(one, path=path) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: apt-get install slurm-wlm munge iproute2")
    done = subprocess.run(
        [str(FOLDER / name)], capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("== all is well")

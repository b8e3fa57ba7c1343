"""A box as one mesh of a run."""

from support import shapes

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.run.process_mesh import process
from shapegan.pipeline.schema import Job

SMALL = PreprocessConfig(resolutions=(8, 16), points=2000, thin_parts="true")
SIZE, CENTER = (4.0, 2.0, 1.0), (10.0, -3.0, 5.0)
BOX = shapes.box(SIZE, CENTER, subdivisions=1)


def job_of(path, name="box"):
    return Job(name, "03001627", path, f"03001627/{path.name}", "train")


CLOUD = {"mixes": ("deepsdf",), "mix_points": 2000}


def made(tmp_path, mesh, config=SMALL, name="box"):
    return process(job_of(shapes.write_obj(tmp_path / f"{name}.obj", *mesh), name), config)


BAD = {
    "empty": "",
    "no mesh": "Dear Sir,\nno mesh is enclosed.\n",
    "no faces": "v 0 0 0\nv 1 0 0\nv 0 1 0\n",
    "lines": "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n",
    "repeated corner": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 2\n",
    "one place": "v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n",
    "nan": "v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "huge": "v 1e30 0 0\nv 0 1e30 0\nv 0 0 1e30\nf 1 2 3\n",
    "beyond": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n",
    "too small to tell": "v 0 0 0\nv 1 0 0\nv 1 1e-7 0\nf 1 2 3\n",
}

import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from support.examples import examples
from support.folders import make

from shapegan.pipeline.inputs.folders import DiscoverError, MeshFile, scan_tree
from shapegan.pipeline.meshes.load import SUFFIXES

CHAIR, SOFA = "03001627", "04256520"
V2 = "models/model_normalized.obj"
LITTER = [
    *(f"models/model_normalized.{end}" for end in ("mtl", "json", "surface.binvox", "solid.obj")),
    *("images/texture0.jpg", "screenshots/a-0.png"),
]


def ids(root: Path) -> list[str]:
    return [mesh.id for mesh in scan_tree(root).meshes]


def make_v2(root: Path, *models: str) -> Path:
    for model in models:
        make(root, f"{model}/{V2}", *(f"{model}/{file}" for file in LITTER))
    return root


def test_version_2(tmp_path: Path) -> None:
    make_v2(tmp_path, f"{CHAIR}/b", f"{CHAIR}/a", f"{SOFA}/c")
    make(tmp_path, "taxonomy.json", "all.csv", f"{CHAIR}.csv")
    tree = scan_tree(tmp_path)
    assert tree.meshes == [
        MeshFile(f"{CHAIR}/a", f"{CHAIR}/a/{V2}", CHAIR),
        MeshFile(f"{CHAIR}/b", f"{CHAIR}/b/{V2}", CHAIR),
        MeshFile(f"{SOFA}/c", f"{SOFA}/c/{V2}", SOFA),
    ]
    assert tree.categories == {CHAIR, SOFA}
    assert tree.empty_models == []


def test_version_1(tmp_path: Path) -> None:
    make(tmp_path, *(f"{CHAIR}/{model}/model.{end}" for model in "ba" for end in ("obj", "mtl")))
    make(tmp_path, f"{CHAIR}/a/images/x.jpg", f"{CHAIR}/a/model_other.ply")
    assert scan_tree(tmp_path).meshes == [
        MeshFile(f"{CHAIR}/a", f"{CHAIR}/a/model.obj", CHAIR),
        MeshFile(f"{CHAIR}/b", f"{CHAIR}/b/model.obj", CHAIR),
    ]


def test_the_normalized_mesh_of_several_counts(tmp_path: Path) -> None:
    make_v2(tmp_path, f"{CHAIR}/both")
    make(tmp_path, f"{CHAIR}/both/model.obj", f"{CHAIR}/both/model_normalized.obj")
    make(tmp_path, f"{CHAIR}/bare/model.obj", f"{CHAIR}/bare/model_normalized.obj")
    assert [mesh.relative for mesh in scan_tree(tmp_path).meshes] == [
        f"{CHAIR}/bare/model_normalized.obj",
        f"{CHAIR}/both/{V2}",
    ]


@pytest.mark.parametrize("above", ["", "ShapeNetCore.v2", "data/ShapeNetCore.v2"])
def test_ids_are_the_same_from_wherever_one_looks(tmp_path: Path, above: str) -> None:
    tree = make_v2(tmp_path / "in" / above, f"{CHAIR}/a", f"{SOFA}/c")
    assert ids(tmp_path / "in") == [f"{CHAIR}/a", f"{SOFA}/c"]
    (mesh,) = scan_tree(tree / CHAIR).meshes
    assert mesh == MeshFile(f"{CHAIR}/a", f"a/{V2}", CHAIR)
    assert scan_tree(tree / CHAIR).categories == {CHAIR}


def test_files_right_in_a_synset_are_models(tmp_path: Path) -> None:
    make(tmp_path, f"{CHAIR}/a.off", f"{CHAIR}/watertight/b.off")
    assert scan_tree(tmp_path).meshes == [
        MeshFile(f"{CHAIR}/a", f"{CHAIR}/a.off", CHAIR),
        MeshFile(f"{CHAIR}/watertight/b", f"{CHAIR}/watertight/b.off", CHAIR),
    ]


def test_the_outermost_synset_counts(tmp_path: Path) -> None:
    make(tmp_path, f"{CHAIR}/{SOFA}/a.obj", f"{CHAIR}/x/{SOFA}/b.obj")
    assert scan_tree(tmp_path).meshes == [
        MeshFile(f"{CHAIR}/{SOFA}/a", f"{CHAIR}/{SOFA}/a.obj", CHAIR),
        MeshFile(f"{CHAIR}/x/{SOFA}/b", f"{CHAIR}/x/{SOFA}/b.obj", CHAIR),
    ]


def test_tells_of_model_folders_without_a_mesh(tmp_path: Path) -> None:
    make_v2(tmp_path, f"{CHAIR}/a")
    make(tmp_path, f"{CHAIR}/b/images/x.jpg", f"{CHAIR}/c/models/model_normalized.json")
    make(tmp_path, f"{CHAIR}/d/scan.ply")
    tree = scan_tree(tmp_path)
    assert tree.empty_models == [f"{CHAIR}/b", f"{CHAIR}/c"]
    assert [mesh.id for mesh in tree.meshes] == [f"{CHAIR}/a", f"{CHAIR}/d/scan"]


def test_enters_only_what_is_wanted_and_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_v2(tmp_path, f"{CHAIR}/a", f"{SOFA}/c")
    entered: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr("os.scandir", lambda path: entered.append(path) or scandir(path))
    tree = scan_tree(tmp_path, lambda category: category == CHAIR)
    assert [mesh.id for mesh in tree.meshes] == [f"{CHAIR}/a"]
    assert tree.categories == {CHAIR, SOFA}
    assert entered == [str(tmp_path), f"{tmp_path}/{CHAIR}"]


def test_any_folder(tmp_path: Path) -> None:
    make(tmp_path, "top.ply", "chairs/a.OBJ", "chairs/old/b.v2.stl", "chairs/old/b.txt", "x/obj")
    tree = scan_tree(tmp_path)
    assert tree.meshes == [
        MeshFile("chairs/a", "chairs/a.OBJ", "chairs"),
        MeshFile("chairs/old/b.v2", "chairs/old/b.v2.stl", "chairs"),
        MeshFile("top", "top.ply", ""),
    ]
    assert tree.categories == {"chairs", ""}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_in_any_case(tmp_path: Path, suffix: str) -> None:
    make(tmp_path, f"a{suffix}", f"b{suffix.upper()}", f"c{suffix}.GZ", f"d{suffix[1:]}")
    make(tmp_path, f"e{suffix}.bz2", f"f{suffix}.xz", f"g{suffix}.zst", f"h{suffix}.gz.gz")
    assert ids(tmp_path) == ["a", "b", "c", "e", "f"]


def test_a_model_folder_anywhere_is_named_after_itself(tmp_path: Path) -> None:
    make_v2(tmp_path, "chairs/a", "chairs/b")
    make(tmp_path, "chairs/models/c.obj", "chairs/model.obj")
    assert [(mesh.id, mesh.category) for mesh in scan_tree(tmp_path).meshes] == [
        (name, "chairs") for name in ("chairs/a", "chairs/b", "chairs/model", "chairs/models/c")
    ]
    assert scan_tree(tmp_path / "chairs" / "a").meshes == [MeshFile("a", V2, "")]


def test_compressed_models_of_shapenet(tmp_path: Path) -> None:
    make(tmp_path, f"{CHAIR}/a/{V2}.gz", f"{CHAIR}/b/model.obj.xz", f"{CHAIR}/b/other.obj")
    make(tmp_path, f"{CHAIR}/c/model.obj", f"{CHAIR}/c/{V2}.gz")
    assert scan_tree(tmp_path).meshes == [
        MeshFile(f"{CHAIR}/a", f"{CHAIR}/a/{V2}.gz", CHAIR),
        MeshFile(f"{CHAIR}/b", f"{CHAIR}/b/model.obj.xz", CHAIR),
        MeshFile(f"{CHAIR}/c", f"{CHAIR}/c/model.obj", CHAIR),
    ]


def test_files_of_other_formats_are_counted(tmp_path: Path) -> None:
    make(tmp_path, "a/b.FBX", "a/c.fbx", "z.zip", "a/d.tar.gz", "a/e.obj.zst", "a/f.dae.gz")
    make(tmp_path, "x.step", "a/t.png", "a/t.mtl", "a/readme.txt", "a/t.jpg.gz", "a/g.obj")
    make(tmp_path, ".h.fbx", "gz")
    tree = scan_tree(tmp_path)
    assert [mesh.id for mesh in tree.meshes] == ["a/g"]
    counts = {".fbx": 2, ".zip": 1, ".tar.gz": 1, ".obj.zst": 1, ".dae.gz": 1, ".step": 1}
    assert dict(tree.unread) == counts
    assert tree.unread_example == "a/b.FBX"


def test_hidden_things_are_skipped(tmp_path: Path) -> None:
    make(tmp_path, ".git/a.obj", "__MACOSX/b.obj", "c/._d.obj", ".e.obj", "c/d.obj")
    make(tmp_path, f"{CHAIR}/.DS_Store", f"{CHAIR}/.thumbs/model.obj")
    assert ids(tmp_path) == ["c/d"]


def test_folders_and_sockets_are_no_meshes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "chair.obj/inner.obj")
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("door.obj")
        assert ids(tmp_path) == ["chair.obj/inner"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    root, away = tmp_path / "in", tmp_path / "away"
    make(root, "a/x.obj")
    make(away, "y.obj")
    (root / "a" / "up").symlink_to(root)
    (root / "away").symlink_to(away)
    (away / "back").symlink_to(root / "a")
    (root / "a" / "away").symlink_to(away)
    (root / "self").symlink_to("self")
    (root / "file.obj").symlink_to(away / "y.obj")
    (root / "broken.obj").symlink_to("nowhere")
    assert ids(root) == ["a/away/y", "a/x", "away/back/x", "away/y", "broken", "file"]


def test_linked_synsets_and_models(tmp_path: Path) -> None:
    make_v2(tmp_path / "store", "a")
    (tmp_path / "in" / CHAIR).mkdir(parents=True)
    (tmp_path / "in" / CHAIR / "b").symlink_to(tmp_path / "store" / "a")
    (tmp_path / "in" / SOFA).symlink_to(tmp_path / "store")
    assert ids(tmp_path / "in") == [f"{CHAIR}/b", f"{SOFA}/a"]


def test_names_that_are_no_utf8_give_ids_that_are(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"st\xfchle")).mkdir()
    (tmp_path / os.fsdecode(b"st\xfchle") / "\u00fc.obj").touch()
    (mesh,) = scan_tree(tmp_path).meshes
    assert mesh.id == "st\\xfchle/\u00fc"
    assert (tmp_path / mesh.relative).is_file()
    assert mesh.category == "st\\xfchle"


def test_a_folder_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a/b.obj", "c.obj")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("/a"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(DiscoverError, match=r"cannot read .*/a: Permission denied"):
        scan_tree(tmp_path)


PARTS = st.sampled_from(["a", "b", "A", "a b", CHAIR, SOFA, "models", "model", "model_normalized"])
FILES = st.builds(
    lambda folders, name, suffix: "/".join([*folders, name + suffix]),
    st.lists(PARTS, max_size=4),
    PARTS,
    st.sampled_from([".obj", ".ply", ".txt"]),
)


@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(FILES, unique=True, max_size=12), seed=st.randoms(use_true_random=False))
def test_the_order_in_which_files_were_made_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, files: list[str], seed: object
) -> None:
    shuffled = list(files)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = (
        scan_tree(make(tmp_path_factory.mktemp("in") / "in", "x.txt", *some))
        for some in (files, shuffled)
    )
    assert first == second
    assert first.meshes == sorted(first.meshes)
    relative = [mesh.relative for mesh in first.meshes]
    assert len(set(relative)) == len(relative)
    assert set(relative) <= {file for file in files if not file.endswith(".txt")}
    for mesh in first.meshes:
        assert mesh.category in (CHAIR, SOFA) or mesh.id.startswith(mesh.category)

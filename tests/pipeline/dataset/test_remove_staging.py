from pathlib import Path

from shapegan.pipeline.dataset.staging import STAGING_FOLDER, remove_staging
from shapegan.pipeline.files import replacing


def test_what_a_killed_process_left_goes_with_the_folder(tmp_path: Path) -> None:
    staging = tmp_path / STAGING_FOLDER
    staging.mkdir()
    with replacing(staging / "0000001.json") as temporary:
        temporary.write_text("half of it")
        (staging / "left").hardlink_to(temporary)
        name = temporary.name
    (staging / "0000001.json").unlink()
    (staging / "left").rename(staging / name)  # as if the process had ended before it renamed it
    remove_staging(tmp_path)
    assert not staging.exists()


def test_results_stay(tmp_path: Path) -> None:
    staging = tmp_path / STAGING_FOLDER
    staging.mkdir()
    (staging / "0000001.json").write_text("{}")
    remove_staging(tmp_path)
    assert [path.name for path in staging.iterdir()] == ["0000001.json"]

"""What the README and the other pages show is what the code does."""

import re
import subprocess
import sys
from pathlib import Path

from ground import Ground
from rollproof.diagram import mermaid
from rollproof.installation import Installation, Shape

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
IMAGES = (ROOT / "docs" / "images.md").read_text(encoding="utf-8")
MACHINE = (ROOT / "core" / "rollproof" / "adapters" / "local" / "machine.py").read_text("utf-8")


def block(language: str, page: str = README) -> str:
    """The one block of the page in ``language``."""
    (found,) = re.finditer(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)
    return found[1]


def test_the_library_example_does_what_its_comment_says() -> None:
    """R4.6: twelve instances, three zones, two a batch."""
    example = block("python")
    promised = example.rstrip().rpartition("# ")[2]
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout.strip() == promised


def test_the_diagram_is_that_of_the_table() -> None:
    """R8: the picture cannot drift from the states."""
    assert block("mermaid").strip() == mermaid()


def test_the_image_that_is_shown_serves(tmp_path: Path) -> None:
    """R1.2: whoever follows the page has an image that becomes healthy."""
    image = tmp_path / "image"
    (image / "bin").mkdir(parents=True)
    (image / "health").write_text("ok")
    start = image / "bin" / "start"
    start.write_text(block("sh", IMAGES))
    start.chmod(0o755)
    ground = Ground(tmp_path)
    try:
        with Installation(ground.home) as here:
            here.publish_image("web-os", "1.0.0", image)
            here.apply(ground.document(health="PT30S"))
            here.create_local("web", Shape(instances=2, zones=0))
            (view,) = here.list_local()
        assert [each.health.value for each in view.instances.values()] == ["healthy"] * 2
    finally:
        ground.clean_up()


def test_all_that_a_server_is_told_is_on_the_page() -> None:
    told = set(re.findall(r'"(ROLLPROOF_[A-Z_]+)"', MACHINE))
    assert len(told) >= 6
    assert told == set(re.findall(r"ROLLPROOF_[A-Z_]+", IMAGES))

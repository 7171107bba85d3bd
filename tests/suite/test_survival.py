"""What the house keeps when everything is killed, and what it leaves when it is stopped."""

from tests.house import DOWN_S, House, eventually, free_port_base
from tests.suite.test_main_job import TITLE, a_video, anchors, match


def test_killing_everything_loses_nothing_and_stopping_leaves_nothing(tmp_path):
    house = House(folder=tmp_path / "house", port_base=free_port_base())
    try:
        started = house.up()
        assert started.returncode == 0, started.stdout + started.stderr
        with house.client("app") as app:
            match(app, a_video("kept_1", text="rewatched #Interstellar, Matthew McConaughey broke me again #movie"))
            eventually(lambda: anchors(app, "kept_1"))
        house.kill_everything()
        assert house.run("status").returncode != 0
        again = house.up()
        assert again.returncode == 0, again.stdout + again.stderr
        with house.client("app") as app:
            found = eventually(lambda: anchors(app, "kept_1"))
            assert found["kept_1"]["title_id"] == TITLE
        assert house.run("status").returncode == 0
        assert house.run("down", timeout_s=DOWN_S).returncode == 0
        assert eventually(lambda: not house.processes())
    finally:
        house.run("down", timeout_s=DOWN_S)
        house.kill_everything()

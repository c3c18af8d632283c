"""One scripted session in a real Blender window: install the zip, press the button with the mouse, watch, cancel, import, undo.

    python tests/gui/session.py --out DIR [--engine PYTHON] [--video FILE] [--footage]

Needs `blender-gui` (VIDEO_MOCAP_BLENDER_GUI, else ../shared/tools/blender-gui; run its `setup` once) and its virtual screen.
Without --engine a stand-in is used that speaks the worker's protocol and needs nothing. Screenshots land in DIR; look at them.
Exit code 0 when every check held, 77 when there is no `blender-gui`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

from core.package import content  # noqa: E402

TOOL = Path(os.environ.get("VIDEO_MOCAP_BLENDER_GUI") or REPO.parent / "shared" / "tools" / "blender-gui")
# Where the button is: pixels below the sidebar's top, at the interface's normal size. The Cancel button takes its place, one row down.
BUTTON_BELOW_TOP, CANCEL_BELOW_TOP = 263, 289
VIEW = ("mousemove", "500", "450", "sleep", "0.3")  # into the 3D view

STAND_IN = '''#!/usr/bin/python3
import json, os, shutil, sys, time
if sys.argv[1] == "-c":
    exec(sys.argv[2]); sys.exit()
request = json.loads(sys.stdin.readline())
say = lambda **event: print(json.dumps(event), flush=True)
import threading
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
for i in range(121):
    if stop.is_set():
        say(event="error", kind="cancelled", text="Cancelled."); sys.exit(130)
    say(event="progress", stage="Finding the person", done=i, total=120); time.sleep(0.05)
say(event="warning", text="The person is far away, so that hands and feet are uncertain.")
shutil.copy(MOTION, os.path.join(request["out"], "motion.npz"))
say(event="result", files={"npz": os.path.join(request["out"], "motion.npz")}, summary={})
'''


class Session:
    """Blender's window, seen and touched from outside."""

    def __init__(self, out: Path, engine: Path, video: Path, footage: bool) -> None:
        self.out, self._report, self._commands = out, out / "report.json", out / "command.txt"
        for old in (self._report, self._commands):
            old.unlink(missing_ok=True)
        config = {"zip": str(make_zip(out)), "engine": str(engine), "video": str(video), "footage": footage,
                  "report": str(self._report), "commands": str(self._commands)}
        (out / "config.json").write_text(json.dumps(config))
        self._log = open(out / "blender.log", "w")  # noqa: SIM115 (open as long as Blender is)
        # The engine needs its base Python, and MediaPipe reads /sys, which Blender's folder lacks.
        seen = ":".join([str(video.parent), *bases_of(engine), "/sys"])
        environment = os.environ | {"BLENDER_USER_RESOURCES": str(out / "user"), "BLENDER_BIND": seen}
        self._blender = subprocess.Popen(
            [str(TOOL), "run", "--factory-startup", "--python", str(Path(__file__).with_name("inside.py")), "--", str(out / "config.json")],
            cwd=REPO, env=environment, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True)

    def state(self) -> dict:
        """The last report from inside; empty before the first."""
        return json.loads(self._report.read_text()) if self._report.exists() else {}

    def wait(self, what: str, condition: Callable[[dict], bool], seconds: float = 120.0) -> dict:
        """The first report for which the condition holds."""
        limit = time.monotonic() + seconds
        while not (condition(self.state()) if self.state() else False):
            if time.monotonic() > limit or self._blender.poll() is not None:
                raise AssertionError(f"waited in vain for: {what}; last report {self.state()}, log in {self.out / 'blender.log'}")
            time.sleep(0.1)
        print(f"ok: {what}")
        return self.state()

    def tool(self, *words: str | int) -> None:
        subprocess.run([str(TOOL), *map(str, words)], cwd=REPO, check=True)

    def shot(self, name: str) -> None:
        """A picture of the screen."""
        self.tool("shot", self.out / f"{name}.png")

    def click(self, below_top: int) -> None:
        """A real click into the sidebar, so many pixels below its top."""
        x, y, width, _ = self.state()["sidebar"]
        self.tool("xdo", "mousemove", x + width // 2, y + below_top, "sleep", "0.3", "click", "1")

    def command(self, text: str) -> None:
        """For inside.py: "quit", "forget pauses", "new file", "disable" or a frame number."""
        self._commands.write_text(text)
        limit = time.monotonic() + 20
        while self._commands.exists() and self._blender.poll() is None:
            if time.monotonic() > limit:
                raise AssertionError(f"Blender does not do '{text}' any more, log in {self.out / 'blender.log'}")
            time.sleep(0.05)

    def close(self) -> None:
        """Blender quits; kills nothing that is not ours."""
        if self._blender.poll() is None:
            try:
                self.command("quit")
                self._blender.wait(30)
            except (AssertionError, subprocess.TimeoutExpired):
                os.killpg(self._blender.pid, signal.SIGKILL)
        self._log.close()


def bases_of(engine: Path) -> list[str]:
    """The folder of the Python that the engine's environment was made from; none for the system's, which Blender's folder has too."""
    answer = subprocess.run([str(engine), "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True, check=True)
    return [base for base in answer.stdout.split("\n")[:1] if base != "/usr"]


def make_zip(out: Path) -> Path:
    """The add-on's zip, whatever of the bundle and the weights is there."""
    path = out / "video_mocap.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in content(REPO):
            archive.write(file, name)
    return path


def play(session: Session) -> None:
    """The session itself."""
    before = session.wait("the add-on is installed and the window lives", lambda s: s["ready"] and s["ticks"] > 30)
    session.shot("1_panel")

    session.click(BUTTON_BELOW_TOP)
    session.wait("a click on the button starts the work", lambda s: s["at_work"])
    session.command("forget pauses")
    session.wait("progress counts", lambda s: s["status"]["done"] > 5 or not s["at_work"])
    session.shot("2_at_work")
    session.click(CANCEL_BELOW_TOP)
    state = session.wait("a click on Cancel stops it", lambda s: not s["at_work"], 20)
    assert state["objects"] == before["objects"] and state["status"]["message"].startswith("Cancelled"), state
    session.shot("3_cancelled")

    session.command("forget pauses")
    session.click(BUTTON_BELOW_TOP)
    session.wait("it starts again", lambda s: s["at_work"])
    session.wait("progress counts again", lambda s: s["status"]["done"] > 20 or not s["at_work"])
    session.tool("xdo", *VIEW, "key", "ctrl+z", "sleep", "0.5", "key", "ctrl+shift+z")
    session.wait("an undo and a redo meanwhile do no harm", lambda s: s["at_work"])
    pause = session.state()["longest_pause"]
    assert pause < 1.5, f"the window stood still for {pause:.1f} s"
    done = session.wait("the motion is on a new armature", lambda s: not s["at_work"], 600)
    assert not done["status"]["error"] and "Video Mocap" in done["objects"] and done["actions"], done
    session.command("60")
    time.sleep(2)
    session.shot("4_imported")

    session.tool("xdo", *VIEW, "key", "ctrl+z")
    undone = session.wait("one Ctrl-Z takes it back", lambda s: "Video Mocap" not in s["objects"], 20)
    assert undone["objects"] == before["objects"] and undone["actions"] == before["actions"], undone
    time.sleep(1)
    session.shot("5_undone")
    session.tool("xdo", "key", "ctrl+shift+z")
    session.wait("redo brings it again", lambda s: s["objects"] == done["objects"] and s["actions"] == done["actions"], 20)

    session.command("new file")
    time.sleep(3)
    session.click(BUTTON_BELOW_TOP)
    session.wait("work for a new file", lambda s: s["at_work"])
    session.command("new file")
    ticks = session.wait("another file ends the work", lambda s: not s["at_work"], 20)["ticks"]
    time.sleep(3)
    session.click(BUTTON_BELOW_TOP)
    session.wait("work again", lambda s: s["at_work"] and s["ticks"] > ticks + 5)
    session.command("disable")
    ticks = session.wait("disabling the add-on ends the work", lambda s: not s["at_work"], 20)["ticks"]
    session.wait("Blender lives on", lambda s: s["ticks"] > ticks + 10)


def stand_in(out: Path) -> Path:
    """An "engine Python" that takes six seconds and gives a motion made of formulas."""
    sys.path.insert(0, str(REPO / "tests" / "gui"))
    from synthetic import waving

    waving(120, 30.0).save(out / "there.npz")
    path = out / "engine"
    path.write_text(STAND_IN.replace("MOTION", repr(str(out / "there.npz"))))
    path.chmod(0o755)
    return path


def main() -> int:
    """Plays the session; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for screenshots and logs, under /tmp so that Blender sees it")
    parser.add_argument("--engine", type=Path, help="the engine's Python (default: a stand-in)")
    parser.add_argument("--video", type=Path, default=REPO / "core" / "assets" / "sample.mp4")
    parser.add_argument("--footage", action="store_true", help="also tick the camera with the footage")
    args = parser.parse_args()
    if not TOOL.exists():
        print(f"skipped: there is no {TOOL}")
        return 77
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    session = Session(out, args.engine or stand_in(out), args.video.resolve(), args.footage)
    try:
        play(session)
        print(f"all held; look at the pictures in {out}")
        return 0
    finally:
        session.close()


if __name__ == "__main__":
    sys.exit(main())

"""Pictures of a scene.blend as Blender's 3D view shows it through the video's camera: armature over footage.

    python tests/gui/look.py SCENE.blend --out DIR [--frames 1 40 80]

pip's bpy cannot draw without a graphics context, so this opens the scene in a real window on the virtual screen of `blender-gui`
(as `session.py` does) and photographs the screen. The scene and its footage must lie under /tmp, or in a folder named in BLENDER_BIND.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
TOOL = Path(os.environ.get("VIDEO_MOCAP_BLENDER_GUI") or REPO.parent / "shared" / "tools" / "blender-gui")


def inside(out: Path, frames: list[int]) -> None:
    """In Blender: the view full screen through the camera; each frame is held until its picture is there."""
    import bpy

    bpy.context.preferences.view.show_splash = False
    bpy.app.use_userpref_skip_save_on_exit = True
    waiting = list(frames)

    def fill_the_screen() -> None:
        window = bpy.context.window_manager.windows[0]
        (area,) = (a for a in window.screen.areas if a.type == "VIEW_3D")
        (region,) = (r for r in area.regions if r.type == "WINDOW")
        with bpy.context.temp_override(window=window, area=area, region=region):
            bpy.ops.screen.screen_full_area(use_hide_panels=True)
        bpy.app.timers.register(centre, first_interval=1.0)

    def centre() -> None:
        window = bpy.context.window_manager.windows[0]
        area = window.screen.areas[0]
        area.spaces.active.show_gizmo = False
        (region,) = (r for r in area.regions if r.type == "WINDOW")
        with bpy.context.temp_override(window=window, area=area, region=region):
            bpy.ops.view3d.view_center_camera()
        bpy.app.timers.register(show, first_interval=0.5)

    def show() -> float | None:
        if not waiting:
            bpy.ops.wm.quit_blender()
            return None
        frame = waiting[0]
        ready = out / f"{frame}.ready"
        if bpy.context.scene.frame_current != frame:
            bpy.context.scene.frame_set(frame)
            return 1.5
        ready.touch()
        if (out / f"{frame}.png").exists():
            waiting.pop(0)
        return 0.2

    bpy.app.timers.register(fill_the_screen, first_interval=2.0)


def main() -> int:
    """Takes the pictures; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("scene", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--frames", type=int, nargs="+", default=[1, 40, 80])
    args = parser.parse_args()
    if not TOOL.exists():
        print(f"skipped: there is no {TOOL}")
        return 77
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    for old in [*out.glob("*.ready"), *(out / f"{f}.png" for f in args.frames)]:
        old.unlink(missing_ok=True)
    with open(out / "blender.log", "w") as log:
        blender = subprocess.Popen([str(TOOL), "run", str(args.scene.resolve()), "--python", str(Path(__file__).resolve()), "--",
                                    str(out), *map(str, args.frames)], cwd=REPO, stdout=log, stderr=subprocess.STDOUT)
        for frame in args.frames:
            while not (out / f"{frame}.ready").exists():
                if blender.poll() is not None:
                    print(f"error: Blender has ended; see {out / 'blender.log'}", file=sys.stderr)
                    return 1
                time.sleep(0.2)
            subprocess.run([str(TOOL), "shot", str(out / f"{frame}.png")], cwd=REPO, check=True)
            print(out / f"{frame}.png")
        blender.wait(30)
    return 0


if "--" in sys.argv:
    folder, *numbers = sys.argv[sys.argv.index("--") + 1:]
    inside(Path(folder), [int(n) for n in numbers])
elif __name__ == "__main__":
    sys.exit(main())

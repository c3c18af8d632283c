"""Runs inside the real Blender of `session.py`: installs the zip, fills in the panel, and reports ten times a second what there is.

It presses nothing: that is done with the mouse from outside. The report also holds the longest time between two ticks of the
timer, which is how long the window stood still.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import addon_utils
import bpy

CONFIG = json.loads(Path(sys.argv[sys.argv.index("--") + 1]).read_text())
MODULE = "bl_ext.user_default.video_mocap"
_state = {"ticks": 0, "longest_pause": 0.0, "last": time.monotonic()}


def fill_in() -> None:
    """The panel's settings, as one step of the history, as it is when a hand fills them in."""
    settings = bpy.context.scene.video_mocap
    settings.video, settings.footage = CONFIG["video"], CONFIG["footage"]
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.ops.ed.undo_push(message="Panel filled in")


def prepare() -> None:
    """The add-on installed and enabled, its panel in sight, the video chosen."""
    bpy.ops.extensions.package_install_files(filepath=CONFIG["zip"], repo="user_default", enable_on_install=True)
    bpy.context.preferences.addons[MODULE].preferences.engine_python = CONFIG["engine"]
    fill_in()
    show_sidebar()


def show_sidebar() -> None:
    """The sidebar with our tab in front; the tab exists only after the sidebar was drawn once."""
    (area,) = (a for a in bpy.context.window_manager.windows[0].screen.areas if a.type == "VIEW_3D")
    area.spaces.active.show_region_ui = True
    bpy.app.timers.register(lambda: show_tab(area), first_interval=1.0)


def show_tab(area: bpy.types.Area) -> None:
    """Our tab to the front."""
    (sidebar,) = (r for r in area.regions if r.type == "UI")
    sidebar.active_panel_category = "Video Mocap"
    sidebar.tag_redraw()


def report() -> float:
    """Writes what the file and the add-on hold now."""
    now = time.monotonic()
    _state["longest_pause"] = max(_state["longest_pause"], now - _state["last"])
    _state["last"], _state["ticks"] = now, _state["ticks"] + 1
    jobs = sys.modules.get(f"{MODULE}.jobs")
    desk = jobs.DESK if jobs else None
    status = desk.status if desk else None
    (area,) = (a for a in bpy.context.window_manager.windows[0].screen.areas if a.type == "VIEW_3D")
    (sidebar,) = (r for r in area.regions if r.type == "UI")
    found = {
        "ticks": _state["ticks"], "longest_pause": _state["longest_pause"], "at_work": bool(desk and desk.job), "ready": jobs is not None,
        "status": vars(status) if status else None, "objects": sorted(o.name for o in bpy.data.objects),
        "actions": sorted(a.name for a in bpy.data.actions), "frame": bpy.context.scene.frame_current,
        # In the host's pixels: from the left and from the top of the window.
        "sidebar": [sidebar.x, bpy.context.window_manager.windows[0].height - sidebar.y - sidebar.height, sidebar.width, sidebar.height],
    }
    target = Path(CONFIG["report"])
    target.with_suffix(".new").write_text(json.dumps(found))
    os.replace(target.with_suffix(".new"), target)
    command = Path(CONFIG["commands"])
    if command.exists():
        text = command.read_text()
        command.unlink()
        if text == "quit":
            bpy.ops.wm.quit_blender()
        elif text == "forget pauses":
            _state["longest_pause"] = 0.0
        elif text == "new file":
            bpy.ops.wm.read_homefile()
            # The window is known again after the next turn of the event loop.
            bpy.app.timers.register(fill_in, first_interval=0.3, persistent=True)
            bpy.app.timers.register(show_sidebar, first_interval=0.3, persistent=True)
        elif text == "disable":
            addon_utils.disable(MODULE)
        else:
            bpy.context.scene.frame_set(int(text))
    return 0.1


bpy.context.preferences.view.show_splash = False
bpy.app.use_userpref_skip_save_on_exit = True
prepare()
bpy.app.timers.register(report, first_interval=1.5, persistent=True)

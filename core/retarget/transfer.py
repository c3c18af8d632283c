"""Bone rotations and root locations that make a rig move as the motion does.

Method: every mapped bone gets, in the world, the source joint's rotation away from the T-pose on top of its own rest
orientation as aligned with the T-pose (`alignment`). Working in global rotations makes the result independent of the rest
pose, bone axes and roll, object transform, unmapped bones in between, and missing joints. Spine and neck chains of any length
share the rotation evenly. The root's path is scaled by the length of the legs, and ankles keep the rig's own height, so that
flat feet stay on its floor; feet on the ground are then planted (`feet`). Trunk and thighs that hang beside the hips, and feet and hands
that hang from elsewhere than shin and forearm (as IK targets do), get a location of their own, so that they go along. Limits: bone scale
in the rig's pose is ignored; inverse-kinematics controls are another step (`inverse`).
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass, field

import numpy as np

from .. import rotations
from ..errors import InputError
from ..motion import Motion
from ..skeleton import INDEX
from .alignment import facing, rest_alignment
from .feet import plant_feet_of
from .mapping import LIMB_OF, Mapping, pelvic_bones
from .placement import Placement, place
from .pose import Pose
from .rig import Rig
from .touch import keep_touch


@dataclass(frozen=True)
class RigMotion:
    """What to key. rotations: bone -> (T, 4) quaternions (w, x, y, z), continuous, relative to rest as Blender's are.

    root_bone: the bone that carries the location; root_location: (T, 3) armature units, as Blender's location channel.
    travel: what is moved, too -> (T, 3), likewise: a bone above that carries the way over the ground, and what hangs from elsewhere than
    from the joint before it.
    slide: centimetres, the farthest that a foot on the ground gets from where it stands.
    """

    rotations: dict[str, np.ndarray]
    root_bone: str
    root_location: np.ndarray
    placement: Placement
    slide: float = 0.0
    travel: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def locations(self) -> dict[str, np.ndarray]:
        """Every bone that is moved -> (T, 3)."""
        return {self.root_bone: self.root_location, **self.travel}


_TOGETHER = 0.02  # of the thigh's length: bones that begin nearer to each other do not come apart when one of them turns

WAYS = ("hips", "root", "in place")
"""Who carries the way over the ground: the hips with everything else, the bone at the top of the rig, or nobody."""


def retarget(motion: Motion, rig: Rig, mapping: Mapping, plant_feet: bool = True, way: str = "hips", touch: bool = False) -> RigMotion:
    """The motion on the rig; plant_feet: feet that the motion says are on the ground stand still on this rig too. way: one of `WAYS`.
    touch: hands that touch each other, the body or the ground do so on this rig too.

    Raises InputError for a motion that is not finite and when there is no bone that could carry the figure or its way; the mapping must
    be one that `check_mapping` has seen.
    """
    if not (np.isfinite(motion.local_rotations).all() and np.isfinite(motion.root_translation).all()):
        raise InputError("The motion holds numbers that are not finite; run the video again.")
    original, rig = rig, _hung(rig, mapping)
    frame = facing(rig, mapping)
    _, source = motion.skeleton.forward_kinematics(motion.local_rotations, motion.root_translation)
    wanted = _wanted_orientations(motion, source, rig, mapping, frame)
    placement = place(motion.skeleton, rig, mapping, frame)
    moved = _moved(motion, source, rig, mapping, placement, Pose(rig, wanted))
    slide = 0.0
    if plant_feet and motion.contacts.any():
        moved, slide = plant_feet_of(motion, source, rig, mapping, placement, frame, wanted, moved)
    if touch:
        keep_touch(motion, rig, mapping, placement, wanted, moved)
    posed = Pose(rig, wanted)
    basis = {rig.names[bone]: rotations.continuous(posed.local(bone)) for bone in sorted(wanted)}
    mover = _mover(original, mapping)
    paths = _divided(rig, mapping, mover, moved, way)
    places = {b: rotations.rotate(rotations.inverse(posed.location_axes(b)), path) for b, path in paths.items()}
    for bone in np.flatnonzero(rig.placed_by != original.placed_by).tolist():  # those above first, for others may hang from them
        off = posed.head(bone) + sum(paths.values()) - Pose(original, wanted, places=places).head(bone)
        places[bone] = rotations.rotate(rotations.inverse(posed.location_axes(bone)), off)
    named = {rig.names[b]: path for b, path in places.items()}
    return RigMotion(basis, rig.names[mover], named.pop(rig.names[mover]), placement, slide, named)


def _hung(rig: Rig, mapping: Mapping) -> Rig:
    """The rig with bones that hang from elsewhere and can be moved carried as a body's are: trunk and thighs by the hips, where they begin
    apart from them, and the other bones of a limb by the one before."""
    hips, left, right, knee = (rig.index(mapping.bones[joint]) for joint in ("Hips", "LeftUpLeg", "RightUpLeg", "LeftLeg"))
    near = _TOGETHER * np.linalg.norm(rig.heads_world[knee] - rig.heads_world[left])
    for bone in (*(rig.index(name) for name in mapping.spine[:1]), left, right):
        if np.linalg.norm(rig.heads_world[bone] - rig.heads_world[hips]) >= near:
            rig = _carried(rig, bone, hips)
    for joints in LIMB_OF.values():
        for above, below in itertools.pairwise(rig.index(mapping.joints[joint]) for joint in joints if joint in mapping.joints):
            rig = _carried(rig, below, above)
    return rig


def _carried(rig: Rig, bone: int, carrier: int) -> Rig:
    """The rig with the bone going along with the carrier, if it can be moved and neither parents nor constraints tie the two."""
    parted = carrier not in rig.carriers(bone) and bone not in rig.carriers(carrier)
    if not parted or rig.connected[bone] or rig.held_by[bone] >= 0:
        return rig
    return dataclasses.replace(rig, placed_by=np.where(np.arange(len(rig.names)) == bone, carrier, rig.placed_by))


def _divided(rig: Rig, mapping: Mapping, mover: int, moved: np.ndarray, way: str) -> dict[int, np.ndarray]:
    """The mover and, if another one carries the way over the ground, that bone -> (T, 3) what of `moved` (T, 3) it does, armature space."""
    if way == "hips":
        return {mover: moved}
    path = moved @ rig.world[:3, :3].T
    level = (path - path[:1]) * np.array([1.0, 1.0, 0.0])
    over_ground = level @ np.linalg.inv(rig.world[:3, :3]).T
    if way == "in place":
        return {mover: moved - over_ground}
    top = next((b for b in reversed(rig.carriers(mover)) if not rig.connected[b]), None)
    if top is None and rig.names[mover] != mapping.bones["Hips"]:
        return {mover: moved}  # what carries the figure is at the top already
    if top is None:
        raise InputError(f"{rig.label} has no bone above '{rig.names[mover]}' that could carry the way over the ground; "
                         "let the hips carry it.")
    return {mover: moved - over_ground, top: over_ground}


def _wanted_orientations(motion: Motion, source: np.ndarray, rig: Rig, mapping: Mapping, frame: np.ndarray) -> dict[int, np.ndarray]:
    """Bone index -> (T, 4) orientation in armature space."""
    aligned = rest_alignment(rig, mapping, motion.skeleton, frame)
    turn, world = rotations.from_matrix(frame), rig.world_rotation
    to_canonical = rotations.multiply(rotations.inverse(turn), world)
    from_canonical = rotations.inverse(to_canonical)
    rest = rig.rest_rotations
    wanted = {}
    for bone, joint, rotation in _sources(source, rig, mapping):
        b = rig.index(bone)
        at_rest = rotations.multiply(aligned[joint], rotations.multiply(to_canonical, rest[b]))
        wanted[b] = rotations.multiply(from_canonical, rotations.multiply(rotation, at_rest))
    return wanted


def _sources(source: np.ndarray, rig: Rig, mapping: Mapping) -> list[tuple[str, str, np.ndarray]]:
    """(bone, joint whose rest alignment it shares, (T, 4) the canonical rotation that it follows)."""
    found = [(bone, joint, source[:, INDEX[joint]]) for joint, bone in mapping.joints.items()]
    pelvic = pelvic_bones(rig, mapping)
    found += [(bone, "Hips", source[:, INDEX["Hips"]]) for bone in pelvic]
    found += _shared(tuple(bone for bone in mapping.spine if bone not in pelvic), "Spine", "Spine1", source, closed=True)
    return found + _shared(mapping.neck, "Neck", "Head", source, closed=False)


def _shared(chain: tuple[str, ...], first: str, last: str, source: np.ndarray, closed: bool) -> list[tuple[str, str, np.ndarray]]:
    """A chain of bones that turns evenly from joint `first` to joint `last`, which its last bone (closed) or the next one follows."""
    a, b = source[:, INDEX[first]], source[:, INDEX[last]]
    steps = max(len(chain) - 1, 1) if closed else len(chain)
    shares = [1.0] if closed and len(chain) == 1 else [i / steps for i in range(len(chain))]
    return [(bone, first, rotations.slerp(a, b, np.array(share))) for bone, share in zip(chain, shares)]


def _mover(rig: Rig, mapping: Mapping) -> int:
    """The bone that carries the figure: the hips, or the nearest above them that can move and from which legs and trunk hang, too."""
    hips, *legs = ([b, *rig.carriers(b)] for b in (rig.index(mapping.bones[j]) for j in ("Hips", "LeftUpLeg", "RightUpLeg")))
    trunk = [rig.carriers(rig.index(b)) for b in mapping.spine[:1] or (mapping.bones["LeftArm"], mapping.bones["RightArm"])]
    movable = [b for b in hips if not rig.connected[b] and all(b in chain for chain in legs)]
    mover = next((b for b in movable if all(b in chain for chain in trunk)), movable[0] if movable else None)
    if mover is None:
        raise InputError(f"{rig.label} has legs that do not hang from '{mapping.bones['Hips']}' (Hips), nor from a bone above it that can "
                         "be moved; correct the mapping or parent them in the rig.")
    return mover


def _moved(motion: Motion, source: np.ndarray, rig: Rig, mapping: Mapping, placement: Placement, posed: Pose) -> np.ndarray:
    """(T, 3) how far the figure is moved from where its bones alone put it, armature space.

    The middle of the hip joints is what follows the motion: rigs differ in where their hips bone starts.
    """
    rest = motion.skeleton.rest_offsets
    offset = 0.5 * (rest[INDEX["LeftUpLeg"]] + rest[INDEX["RightUpLeg"]])
    middle = placement(motion.root_translation + rotations.rotate(source[:, INDEX["Hips"]], offset))
    return rig.from_world(middle) - posed.middle(mapping.bones["LeftUpLeg"], mapping.bones["RightUpLeg"])

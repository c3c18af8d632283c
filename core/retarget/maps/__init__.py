"""The rigs that are known by their bone names: one data file each. Order decides between maps that fit equally well."""

from ..mapping import RigMap
from . import auto_rig_pro, canonical, character_creator, cmu, daz, mixamo, mpfb_default, rigify, rigify_metarig, unreal, vroid

RIG_MAPS: tuple[RigMap, ...] = tuple(
    module.RIG_MAP for module in (canonical, mixamo, rigify, rigify_metarig, unreal, vroid, mpfb_default, cmu, daz, auto_rig_pro,
                                  character_creator))

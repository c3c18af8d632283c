"""Writers: how a motion leaves the program (BVH, overlay, Blender scene). One file each; import what you need from there."""

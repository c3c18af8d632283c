"""Custom properties by which control rigs change from inverse to forward kinematics, whatever the bone that carries them is called."""

FK_SWITCHES: dict[str, float] = {
    "IK_FK": 1.0,  # Rigify since Blender 2.8, on ..._parent bones
    "ik_fk_switch": 1.0,  # Auto-Rig Pro, on the IK controls of hands and feet
}
"""Name of the property -> its value when the FK controls act."""

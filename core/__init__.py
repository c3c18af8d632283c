"""Video Mocap's headless core: from a video to joint rotations. Never imports bpy; importing it imports nothing heavy."""

__version__ = "0.1.0"

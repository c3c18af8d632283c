"""2D keypoint detection: the Detector protocol, and MediaPipe behind it as the default."""

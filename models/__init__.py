"""Lifting networks, their weights, and everything that trains them. torch is imported by the networks only, never by `import models`."""

"""Builds MediaPipe's pose landmarker bundle from the model files in mediapipe 0.10.21's wheel.

Problem: current mediapipe ships no model files, and the official bundles need a download that not everybody can make.
Method:  the wheel of 0.10.21 on PyPI carries the same two networks (Apache-2.0). It is opened as a zip, never imported.
         The tasks API wants each network to say how its input image is normalised, so that metadata is written into
         the TFLite flatbuffers (schemas from the installed mediapipe), and both are put into an uncompressed zip.
         Every member of the zip gets a fixed date, so that the bundle's hash is the same everywhere.
Limits:  only the "full" model is in that wheel; users with internet may point to the official lite or heavy bundles.
"""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from pathlib import Path

WHEEL = "mediapipe==0.10.21"
# TFLite member of the wheel -> (name in the bundle, sha256 of the member, mean, std of the input image in 0..255)
_NETWORKS = {
    "mediapipe/modules/pose_detection/pose_detection.tflite": (
        "pose_detector.tflite", "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c", 127.5, 127.5),
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite": (
        "pose_landmarks_detector.tflite", "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f", 0.0, 255.0),
}
BUNDLE_NAME = "pose_landmarker_full.task"
BUNDLE_SHA256 = "5dda25890f50ef4d5a13ee768bbf13a23168731eb03bcb7d376d98a39c745396"


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_intact(bundle: Path) -> bool:
    """Whether `bundle` is there and is, byte for byte, the bundle that this module builds."""
    return bundle.is_file() and sha256(bundle) == BUNDLE_SHA256


def build(wheel: Path, bundle: Path) -> None:
    """Writes the bundle from mediapipe 0.10.21's wheel (any platform's). Raises ValueError on a wrong or damaged wheel."""
    members: dict[str, bytes] = {}
    with zipfile.ZipFile(wheel) as archive:
        for member, (name, expected, mean, std) in _NETWORKS.items():
            network = archive.read(member)
            if hashlib.sha256(network).hexdigest() != expected:
                raise ValueError(f"{wheel.name}: {member} is not the file that {WHEEL} ships; download the wheel again")
            members[name] = _with_image_normalisation(network, mean, std)
    temporary = bundle.with_suffix(".partial")
    bundle.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, network in members.items():
            archive.writestr(zipfile.ZipInfo(name, date_time=(2025, 1, 31, 0, 0, 0)), network)
    os.replace(temporary, bundle)


def _with_image_normalisation(network: bytes, mean: float, std: float) -> bytes:
    """The TFLite flatbuffer with metadata that says: input 0 is an RGB image, to be fed as (pixel - mean) / std."""
    import flatbuffers
    import numpy as np
    from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema
    from mediapipe.tasks.metadata import schema_py_generated as model_schema

    unit = metadata_schema.ProcessUnitT()
    unit.optionsType = metadata_schema.ProcessUnitOptions.NormalizationOptions
    unit.options = metadata_schema.NormalizationOptionsT()
    unit.options.mean, unit.options.std = [mean], [std]
    image = metadata_schema.ImagePropertiesT()
    image.colorSpace = metadata_schema.ColorSpaceType.RGB
    content = metadata_schema.ContentT()
    content.contentPropertiesType = metadata_schema.ContentProperties.ImageProperties
    content.contentProperties = image
    input_tensor = metadata_schema.TensorMetadataT()
    input_tensor.name, input_tensor.content, input_tensor.processUnits = "image", content, [unit]

    model = model_schema.ModelT.InitFromPackedBuf(network, 0)
    graph = metadata_schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [input_tensor]
    graph.outputTensorMetadata = [metadata_schema.TensorMetadataT() for _ in model.subgraphs[0].outputs]
    meta = metadata_schema.ModelMetadataT()
    meta.subgraphMetadata = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(meta.Pack(builder), b"M001")

    buffer = model_schema.BufferT()
    buffer.data = np.frombuffer(bytes(builder.Output()), dtype=np.uint8)
    model.buffers.append(buffer)
    entry = model_schema.MetadataT()
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers) - 1
    model.metadata = [m for m in model.metadata or [] if m.name not in (b"TFLITE_METADATA", "TFLITE_METADATA")] + [entry]
    builder = flatbuffers.Builder(len(network) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


if __name__ == "__main__":  # set-up runs it so, with the interpreter that has mediapipe: bundle.py WHEEL BUNDLE
    build(Path(sys.argv[1]), Path(sys.argv[2]))

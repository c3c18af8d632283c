"""Draws people of the rendering tool with OpenGL, on the CPU (Mesa's llvmpipe) where there is no GPU.

Problem: a path tracer takes 270 ms a frame, most of which a detector that sees 256 x 256 pixels does not notice, and training wants tens
of thousands of frames. Method: skinning, a shadow map, hemispherical sky light and spheres along the bones for ambient occlusion, in one
pass with four samples a pixel. Limits: no bounced light but the sky's; only what stands within some metres of the person casts a shadow,
soft ones of one width wherever they fall; open meshes (sleeves, hems) have no inside; procedural patterns only.

World axes and units are the tool's: metres, Z up; cameras are OpenCV's. Needs moderngl, which the product does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
PATTERNS = ("plain", "noise", "stripes", "checker", "brick")
_MOST_MATERIALS, _MOST_SPHERES = 24, 40
_SHADOW = 768


@dataclass(frozen=True)
class Material:
    """Linear RGB; scale: how fine the pattern is, in its own units per metre (fields of a checker, radians of stripes)."""

    color: tuple[float, ...]
    pattern: str = "plain"
    scale: float = 1.0
    color2: tuple[float, ...] | None = None
    specular: float = 0.2

    def row(self) -> list[float]:
        second = self.color2 or tuple(min(1.0, c * 1.5 + 0.03) for c in self.color)
        return [*self.color, float(PATTERNS.index(self.pattern)), *second, self.scale]


@dataclass(frozen=True)
class Light:
    """sun: (3,) unit vector towards it; strength: as Blender's (pi on white is 1); softness: radians that the sun is wide; sky: (3,)
    linear RGB radiance; exposure: stops; fill: (3,) unit vector towards a second sun of strength 0.5 without shadow, or None."""

    sun: Array
    strength: float
    softness: float
    sky: Array
    exposure: float
    fill: Array | None


@dataclass(frozen=True)
class Mesh:
    """Triangles of one material each that move with bones. v, n: (V, 3); weights: (V, B); material: (V,); f: (F, 3)."""

    v: Array
    n: Array
    weights: Array
    material: Array
    f: Array


def skinned(vertices: Array, faces: list[list[int]], weights: Array, materials: Array) -> Mesh:
    """A smooth mesh of triangles and quads under linear blend skinning: vertices (V, 3), weights (V, B), materials (F,) one per face."""
    triangles = np.array([[f[0], f[k], f[k + 1]] for f in faces for k in range(1, len(f) - 1)])
    material = np.array([m for f, m in zip(faces, materials, strict=True) for _ in range(len(f) - 2)])
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    area, normals = np.cross(b - a, c - a), np.zeros_like(vertices)
    for corner in triangles.T:
        np.add.at(normals, corner, area)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    pairs, index = np.unique(np.stack([triangles, np.repeat(material[:, None], 3, 1)], -1).reshape(-1, 2), axis=0, return_inverse=True)
    kept = pairs[:, 0]  # a vertex once for every material that meets there
    return Mesh(vertices[kept], normals[kept], weights[kept], pairs[:, 1], index.reshape(-1, 3))


def box(low: Array, high: Array, bone: int, material: int) -> Mesh:
    """A box between two corners (3,) that moves with one bone."""
    corners, normals = [], []
    for axis in range(3):
        u, w = (axis + 1) % 3, (axis + 2) % 3
        around = [(low[u], low[w]), (high[u], low[w]), (high[u], high[w]), (low[u], high[w])]  # seen from the axis' far end
        for end, sign in ((low, -1), (high, 1)):
            quad = np.empty((4, 3))
            quad[:, axis], quad[:, [u, w]] = end[axis], around[::sign]
            corners.append(quad)
            normals.append(np.tile(sign * np.eye(3)[axis], (4, 1)))
    first = 4 * np.arange(6)[:, None]
    triangles = np.concatenate([first + [0, 1, 2], first + [0, 2, 3]])
    weights = np.zeros((24, bone + 1))
    weights[:, bone] = 1.0
    return Mesh(np.concatenate(corners), np.concatenate(normals), weights, np.full(24, material), triangles)


def joined(meshes: list[Mesh]) -> Mesh:
    """One mesh of several that share their bones."""
    first = np.cumsum([0] + [len(m.v) for m in meshes[:-1]])
    bones = max(m.weights.shape[1] for m in meshes)
    weights = np.concatenate([np.pad(m.weights, ((0, 0), (0, bones - m.weights.shape[1]))) for m in meshes])
    v, n, material = (np.concatenate([getattr(m, name) for m in meshes]) for name in ("v", "n", "material"))
    return Mesh(v, n, weights, material, np.concatenate([m.f + k for m, k in zip(meshes, first, strict=True)]))


_SHADOW_VERTEX = """
#version 330
uniform mat4 sun_view;
in vec3 v;
void main() { gl_Position = sun_view * vec4(v, 1.0); }
"""
_VERTEX = """
#version 330
uniform mat4 view;
in vec3 v; in vec3 n; in vec3 still; in float m;
out vec3 p; out vec3 normal; out vec3 rest; flat out int material;
void main() {
    p = v; normal = n; rest = still; material = int(m);
    gl_Position = view * vec4(p, 1.0);
}
"""
_FRAGMENT = f"""
#version 330
in vec3 p; in vec3 normal; in vec3 rest; flat in int material;
uniform vec4 color_pattern[{_MOST_MATERIALS}]; uniform vec4 color_scale[{_MOST_MATERIALS}]; uniform float specular[{_MOST_MATERIALS}];
uniform vec4 spheres[{_MOST_SPHERES}]; uniform int sphere_count; uniform float reach;
uniform vec3 sun; uniform float strength; uniform float blur; uniform vec3 sky; uniform float exposure;
uniform mat4 sun_view; uniform vec3 fill; uniform float fill_strength; uniform vec3 eye;
uniform sampler2DShadow shadow;
out vec4 color;
float hash(vec3 q) {{ q = fract(q * 0.3183099 + vec3(0.1, 0.2, 0.3)); q *= 17.0; return fract(q.x * q.y * q.z * (q.x + q.y + q.z)); }}
float value(vec3 q) {{
    vec3 i = floor(q), f = fract(q); f = f * f * (3.0 - 2.0 * f);
    return mix(mix(mix(hash(i), hash(i + vec3(1,0,0)), f.x), mix(hash(i + vec3(0,1,0)), hash(i + vec3(1,1,0)), f.x), f.y),
               mix(mix(hash(i + vec3(0,0,1)), hash(i + vec3(1,0,1)), f.x),
                   mix(hash(i + vec3(0,1,1)), hash(i + vec3(1,1,1)), f.x), f.y), f.z);
}}
vec3 albedo() {{
    vec3 a = color_pattern[material].rgb, c = color_scale[material].rgb; float s = color_scale[material].a;
    int pattern = int(color_pattern[material].a + 0.5);
    if (pattern == 1) return mix(a, c, (value(rest * s) * 2.0 + value(rest * s * 2.0)) / 3.0);
    if (pattern == 2) return mix(a, c, smoothstep(-0.1, 0.1, sin(rest.z * s)));
    if (pattern == 3) {{ vec3 q = floor(rest * s + 1e-4); return mod(q.x + q.y + q.z, 2.0) < 0.5 ? a : c; }}
    if (pattern == 4) {{
        vec2 q = rest.xz * s * vec2(2.0, 4.0); float row = floor(q.y); q.x += 0.5 * mod(row, 2.0);
        vec2 f = fract(q); if (min(min(f.x, 1.0 - f.x) * 2.0, min(f.y, 1.0 - f.y)) < 0.06) return a * 0.6;
        return mix(a, c, hash(vec3(floor(q.x), row, 1.0)));
    }}
    return a;
}}
void main() {{
    vec3 n = normalize(normal), to_eye = normalize(eye - p);
    if (dot(n, to_eye) < 0.0) n = -n;
    float open = 1.0;
    int count = distance(p, spheres[0].xyz) < reach + 0.5 ? sphere_count : 0;
    for (int i = 0; i < count; i++) {{
        vec3 d = spheres[i].xyz - p; float r = spheres[i].w, far = dot(d, d);
        if (far > 1.7 * r * r) open *= 1.0 - 0.8 * max(dot(n, d) * inversesqrt(far), 0.0) * r * r / far;
    }}
    float shade = 1.0;
    vec3 lit = (sun_view * vec4(p, 1.0)).xyz * 0.5 + 0.5;
    if (all(greaterThan(lit, vec3(0.0))) && all(lessThan(lit, vec3(1.0)))) {{
        shade = 0.0;
        for (int i = -1; i <= 1; i++) for (int j = -1; j <= 1; j++)
            shade += texture(shadow, vec3(lit.xy + vec2(i, j) * 2.0 * blur, lit.z - 0.001 - 0.6 * blur)) / 9.0;
    }}
    float facing = max(dot(n, sun), 0.0);
    vec3 half_way = normalize(sun + to_eye);
    vec3 light = vec3(strength * shade * facing + fill_strength * max(dot(n, fill), 0.0)) / 3.14159 + sky * open * (0.55 + 0.45 * n.z);
    vec3 c = albedo() * light + specular[material] * 0.05 * strength * shade * pow(max(dot(n, half_way), 0.0), 12.0);
    c = clamp(c * exp2(exposure), 0.0, 1.0);
    color = vec4(mix(12.92 * c, 1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c)), 1.0);
}}
"""


class Renderer:
    """One OpenGL context and target per image size; use as a context manager."""

    def __init__(self) -> None:
        import moderngl  # here, so that the tests of the rest do without

        self._flags = moderngl.DEPTH_TEST, moderngl.CULL_FACE
        self._gl = moderngl.create_context(standalone=True, backend="egl", require=330)
        self._draw = self._gl.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        self._cast = self._gl.program(vertex_shader=_SHADOW_VERTEX, fragment_shader="#version 330\nvoid main() {}\n")
        self._gl.front_face = "cw"  # in pictures, whose first row is the buffer's first; shadows are cast by the sides away from the sun
        self._depth = self._gl.depth_texture((_SHADOW, _SHADOW))
        self._depth.compare_func = "<="
        self._shadow = self._gl.framebuffer(depth_attachment=self._depth)
        self._targets: dict[tuple[int, int], tuple[Any, Any]] = {}
        self._held: list[Any] = []

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_: object) -> None:
        self._gl.release()

    def load(self, mesh: Mesh, materials: list[Material], light: Light) -> None:
        """What `image` draws from now on."""
        for held in self._held:
            held.release()
        self._weights = mesh.weights.astype("f4")
        one = np.ones((len(mesh.v), 1))
        self._rest = np.concatenate([mesh.v, one, mesh.n, 0 * one], -1).astype("f4").reshape(-1, 2, 4)
        fixed = self._gl.buffer(np.concatenate([mesh.v, mesh.material[:, None]], 1).astype("f4").tobytes())
        faces = self._gl.buffer(mesh.f.astype("i4").tobytes())
        self._moving = self._gl.buffer(reserve=24 * len(mesh.v), dynamic=True)
        self._drawn = self._gl.vertex_array(self._draw, [(self._moving, "3f 3f", "v", "n"), (fixed, "3f 1f", "still", "m")], faces)
        self._casting = self._gl.vertex_array(self._cast, [(self._moving, "3f 12x", "v")], faces)
        self._held = [self._drawn, self._casting, fixed, faces, self._moving]
        table = np.zeros((_MOST_MATERIALS, 8), "f4")
        table[:len(materials)] = [m.row() for m in materials]
        self._draw["color_pattern"].write(table[:, :4].tobytes())
        self._draw["color_scale"].write(table[:, 4:].tobytes())
        self._draw["specular"].write(np.array([m.specular for m in materials] + [0] * (_MOST_MATERIALS - len(materials)), "f4").tobytes())
        self._light = light
        set_to = {"sun": tuple(light.sun), "strength": light.strength, "sky": tuple(light.sky), "exposure": light.exposure,
                  "fill": tuple(light.fill) if light.fill is not None else (0, 0, 1), "fill_strength": 0.5 * (light.fill is not None)}
        for name, value in set_to.items():
            self._draw[name].value = value

    def image(self, bones: Array, spheres: Array, rotation: Array, translation: Array, K: Array, size: tuple[int, int]) -> Array:
        """(h, w, 3) uint8 RGB. bones: (B, 4, 4) rest to world; spheres: (S, 4) centre and radius, metres; the first one is in the
        middle of the shadows' map; rotation (3, 3), translation (3,), K (3, 3) pixels: the camera's; size: width, height."""
        blended = (self._weights @ bones[:, :3].reshape(len(bones), 12).astype("f4")).reshape(-1, 3, 4)
        self._moving.write(np.einsum("vij,vkj->vki", blended, self._rest).tobytes())
        sun_view, reach = self._sun_view(spheres)
        for program in (self._draw, self._cast):
            program["sun_view"].write(sun_view.T.astype("f4").tobytes())
        shadow, (target, plain) = self._shadow, self._target(size)
        shadow.use()
        for flag in self._flags:
            self._gl.enable(flag)
        shadow.clear(depth=1.0)
        self._casting.render()
        target.use()
        sky = np.clip(self._light.sky * 2.0 ** self._light.exposure, 0, 1)
        target.clear(*np.where(sky < 0.0031308, 12.92 * sky, 1.055 * sky ** (1 / 2.4) - 0.055), 1.0, depth=1.0)
        self._draw["view"].write(_projection(rotation, translation, K, size).T.astype("f4").tobytes())
        self._draw["eye"].value = tuple(-rotation.T @ translation)
        rows = np.zeros((_MOST_SPHERES, 4), "f4")
        rows[:len(spheres)] = spheres
        self._draw["spheres"].write(rows.tobytes())
        self._draw["sphere_count"].value = len(spheres)
        self._draw["reach"].value = reach
        self._draw["blur"].value = max(0.15 * self._light.softness / reach, 0.5 / _SHADOW)
        self._depth.use(0)
        self._drawn.render()
        self._gl.copy_framebuffer(plain, target)
        return np.frombuffer(plain.read(components=3, alignment=1), np.uint8).reshape(size[1], size[0], 3)

    def _target(self, size: tuple[int, int]) -> tuple[Any, Any]:
        if size not in self._targets:
            self._targets[size] = (
                self._gl.framebuffer(self._gl.renderbuffer(size, 3, samples=4), self._gl.depth_renderbuffer(size, samples=4)),
                self._gl.framebuffer(self._gl.renderbuffer(size, 3)))
        return self._targets[size]

    def _sun_view(self, spheres: Array) -> tuple[Array, float]:
        """World to the shadow map's clip space, and half the width of what it covers in metres."""
        middle, sun = spheres[0, :3], self._light.sun
        reach = float((np.linalg.norm(spheres[:, :3] - middle, axis=-1) + spheres[:, 3]).max()) + 0.3
        side = np.cross(sun, [0.3, 0.9, 0.1])
        side /= np.linalg.norm(side)
        axes = np.stack([side / reach, np.cross(sun, side) / reach, -sun / (3 * reach)])
        view = np.eye(4)
        view[:3, :3], view[:3, 3] = axes, -axes @ middle
        return view, reach


def _projection(rotation: Array, translation: Array, K: Array, size: tuple[int, int], near: float = 0.05, far: float = 150.0) -> Array:
    """World to clip space of a camera with OpenCV's axes; the image's first row is the buffer's first."""
    w, h = size
    clip = np.array([[2 * K[0, 0] / w, 0, 2 * K[0, 2] / w - 1, 0], [0, 2 * K[1, 1] / h, 2 * K[1, 2] / h - 1, 0],
                     [0, 0, (far + near) / (far - near), -2 * far * near / (far - near)], [0, 0, 1, 0]])
    view = np.eye(4)
    view[:3, :3], view[:3, 3] = rotation, translation
    return np.asarray(clip @ view)

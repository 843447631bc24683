"""GLSL 3.30 sources, one small program per material.

One program each instead of one for all: Mesa's software driver runs both sides of every branch for every pixel.
Lighting and air are per corner (faces are flat, and small but for the open ground); only what varies inside a face is
computed per pixel. Colours are linear until `finish`, which ends in a square root for gamma (half the cost of `pow`).
"""

_VERTEX = """
#version 330
uniform mat4 clip_from_world; uniform vec3 sun_direction; uniform vec3 sun; uniform vec3 ambient;
uniform vec3 eye; uniform float fog_density;
in vec3 position; in vec3 normal; in vec3 colour; in vec3 surface;
out vec3 v_position; out vec3 v_light; out vec3 v_surface; out float v_air;
vec3 lit(vec3 own, vec3 n) {
    return own * (ambient * (0.8 + 0.2 * n.z) + sun * max(dot(n, sun_direction), 0.0));
}
void place(vec3 at) {
    v_position = at;
    v_air = exp2(-length(at - eye) * fog_density);
    gl_Position = clip_from_world * vec4(at, 1.0);
}
"""

STATIC_VERTEX = (
    _VERTEX
    + """
void main() {
    v_surface = surface;
    v_light = lit(colour, normal);
    place(position);
}
"""
)

PLAIN_STATIC_VERTEX = (
    _VERTEX
    + """
void main() {
    v_surface = surface;
    v_light = surface.z > 0.5 ? 1.4 * colour : lit(colour, normal);
    place(position);
}
"""
)

_FRAGMENT = """
#version 330
uniform vec3 horizon; uniform float exposure;
in vec3 v_position; in vec3 v_light; in vec3 v_surface; in float v_air;
out vec4 pixel;
vec4 finish(vec3 colour, float air) {
    return vec4(sqrt(clamp(mix(horizon, colour, air) * exposure, 0.0, 1.0)), 1.0);
}
"""

GROUND = (
    _FRAGMENT
    + """
uniform sampler2D noise; uniform vec3 ground; uniform vec3 eye; uniform float fog_density;
void main() {
    float grain = texture(noise, v_position.xy * 0.09).r + 0.7 * texture(noise, v_position.xy * 0.011).r;
    pixel = finish(v_light * ground * (0.35 + 0.78 * grain), exp2(-length(v_position - eye) * fog_density));
}
"""
)

ASPHALT = (
    _FRAGMENT
    + """
uniform sampler2D noise; uniform vec3 asphalt; uniform vec3 paint; uniform vec3 centre_paint;
uniform vec4 lines;   // half width, lanes, line width, wear
uniform vec4 centre;  // offset of the centre line(s), dash, dash period, 1 if the centre is dashed
uniform float edge;   // 1 with edge lines
float stripe(float d, float width, float blur) { return 1.0 - smoothstep(width - blur, width + blur, abs(d)); }
void main() {
    float s = v_surface.x, d = v_surface.y;
    float blur = max(0.7 * fwidth(d), 0.01);
    float grain = texture(noise, v_position.xy * 0.23).r;
    float worn = 1.0 - lines.w * clamp(2.2 * texture(noise, v_position.xy * 0.047).r + grain - 1.0, 0.0, 1.3);
    float half_line = 0.5 * lines.z;
    float dashes = step(fract(s / centre.z) * centre.z, centre.y);
    float middle = stripe(abs(d) - centre.x, half_line, blur) * mix(1.0, dashes, centre.w);
    float divider = stripe(abs(d) - 3.5, half_line, blur) * dashes * step(1.5, lines.y);
    float side = stripe(abs(d) - (lines.x - 0.32), half_line, blur) * edge;
    float track = 1.0 - 0.12 * stripe(abs(fract(abs(d) / 3.5) - 0.5) - 0.24, 0.08, 0.07);
    vec3 colour = asphalt * (0.76 + 0.48 * grain) * track;
    colour = mix(colour, centre_paint, clamp(middle * worn, 0.0, 1.0));
    colour = mix(colour, paint, clamp(max(divider, side) * worn, 0.0, 1.0));
    pixel = finish(v_light * colour, v_air);
}
"""
)

PAINT = (
    _FRAGMENT
    + """
uniform sampler2D noise; uniform vec3 asphalt; uniform float wear;
void main() {
    float blur = max(fwidth(v_surface.y), 0.01);
    float bar = smoothstep(0.25 - blur, 0.25 + blur, abs(fract(v_surface.y) - 0.5));
    float there = mix(1.0, bar, v_surface.z);
    float worn = 1.0 - wear * clamp(2.0 * texture(noise, v_position.xy * 0.19).r - 0.5, 0.0, 1.2);
    vec3 bare = asphalt * v_light / 0.8;
    pixel = finish(mix(bare, v_light, clamp(there * worn, 0.0, 1.0)), v_air);
}
"""
)

PLAIN = (
    _FRAGMENT
    + """
void main() { pixel = finish(v_light, v_air); }
"""
)

WALL = (
    _FRAGMENT
    + """
uniform vec3 zenith; uniform float lamps;
float hash(vec2 p) { return fract(sin(dot(p, vec2(12.9898, 78.233))) * 43758.5453); }
void main() {
    float style = v_surface.z;
    vec2 size = vec2(2.4 + 1.6 * style, 3.0);
    vec2 at = vec2(v_surface.x, v_surface.y + 0.1) / size;
    vec2 inside = abs(fract(at) - vec2(0.5, 0.52));
    vec2 blur = clamp(fwidth(at), 0.01, 0.6);
    vec2 reach = vec2(0.17 + 0.16 * fract(style * 7.0), 0.25);
    vec2 pane = 1.0 - smoothstep(reach - 0.5 * blur, reach + 0.5 * blur, inside);
    float window = pane.x * pane.y * (1.0 - smoothstep(0.45, 0.6, max(blur.x, blur.y)));
    float lot = hash(floor(at) + floor(style * 91.0));
    vec3 glass = mix(vec3(0.03, 0.04, 0.05), mix(zenith, horizon, 0.35) * 0.7, 0.15 + 0.55 * lot);
    glass = mix(glass, vec3(0.9, 0.62, 0.28), lamps * step(0.62, lot));
    float base = 1.0 - 0.25 * step(v_surface.y, 0.7) + 0.06 * step(fract(at.y), 0.06);
    pixel = finish(mix(v_light * base, glass, window), v_air);
}
"""
)

FOLIAGE = (
    _FRAGMENT
    + """
uniform sampler2D noise;
void main() {
    float leaf = texture(noise, v_position.xz * 0.31 + v_position.yx * 0.17).r;
    pixel = finish(v_light * (0.3 + 1.4 * leaf), v_air);
}
"""
)

SHADOW = (
    _FRAGMENT
    + """
void main() {
    float from_middle = length(v_surface.xy);
    pixel = vec4(0.0, 0.0, 0.0, v_surface.z * (1.0 - smoothstep(0.45, 1.0, from_middle)) * v_air);
}
"""
)

_INSTANCE = (
    _VERTEX
    + """
in vec4 at;      // x, y, z, heading
in vec4 paint;   // r, g, b, lamps as bits: 1 brake, 2 head, 4 left, 8 right
in vec4 shape;   // scale x, y, z, phase of walking
vec3 turned(vec3 p) {
    float c = cos(at.w), s = sin(at.w);
    return vec3(c * p.x - s * p.y, s * p.x + c * p.y, p.z);
}
"""
)

INSTANCE_VERTEX = (
    _INSTANCE
    + """
void main() {
    vec3 p = position * shape.xyz;
    p.x += 0.34 * sin(shape.w) * surface.z * max(0.86 - position.z, 0.0);
    v_surface = surface;
    v_light = lit(mix(colour, colour * paint.rgb, surface.x), turned(normal));
    int lamps = int(paint.w + 0.5), lamp = int(surface.y + 0.5);
    if (lamp == 1 && (lamps & 1) != 0) v_light = vec3(1.0, 0.03, 0.02);
    if (lamp == 2 && (lamps & 2) != 0) v_light = vec3(1.6, 1.55, 1.35);
    if ((lamp == 3 && (lamps & 4) != 0) || (lamp == 4 && (lamps & 8) != 0)) v_light = vec3(1.3, 0.5, 0.02);
    place(turned(p) + at.xyz);
}
"""
)

LAMP_VERTEX = (
    _INSTANCE
    + """
void main() {
    v_surface = surface;
    v_light = paint.rgb;
    place(turned(position * shape.xyz) + at.xyz);
}
"""
)

INSTANCE_SHADOW_VERTEX = (
    _INSTANCE
    + """
void main() {
    v_surface = vec3(surface.xy, 0.72);
    v_light = vec3(0.0);
    place(turned(position * shape.xyz) + at.xyz);
}
"""
)

SKY_VERTEX = """
#version 330
uniform mat4 world_from_clip;
in vec2 corner;
out vec3 v_ray;
void main() {
    vec4 far = world_from_clip * vec4(corner, 1.0, 1.0);
    v_ray = far.xyz / far.w;
    gl_Position = vec4(corner, 0.999999, 1.0);
}
"""

SKY = """
#version 330
uniform vec3 eye; uniform vec3 horizon; uniform vec3 zenith; uniform vec3 sun_direction; uniform vec3 sun;
uniform float cloud; uniform float glare; uniform float exposure; uniform float hills; uniform sampler2D noise;
in vec3 v_ray; out vec4 pixel;
void main() {
    vec3 ray = normalize(v_ray - eye);
    float up = max(ray.z, 0.0);
    vec3 colour = mix(horizon, zenith, sqrt(up));
    vec2 high = ray.xy / (up + 0.12) * 0.05;
    float puff = texture(noise, high).r * 0.62 + texture(noise, high * 3.7).r * 0.38;
    float cover = cloud * smoothstep(0.42, 0.66, puff) * smoothstep(0.02, 0.22, up);
    colour = mix(colour, horizon * 0.45 + vec3(0.42), cover * 0.8);
    float sunward = max(dot(ray, sun_direction), 0.0);
    float wide = sunward * sunward; wide *= wide; wide *= wide;
    float tight = wide * wide; tight *= tight; tight *= tight; tight *= tight; tight *= tight;
    colour += sun * glare * (0.35 * wide + 6.0 * tight) * (1.0 - 0.7 * cover);
    vec2 bearing = ray.xy * inversesqrt(dot(ray.xy, ray.xy) + 1e-6);
    float ridge = 0.012 + 0.055 * hills * texture(noise, bearing * 0.31).r;
    colour = mix(colour, horizon * vec3(0.62, 0.68, 0.74), 0.75 * (1.0 - smoothstep(ridge - 0.002, ridge, ray.z)));
    pixel = vec4(sqrt(clamp(colour * exposure, 0.0, 1.0)), 1.0);
}
"""

GLARE = """
#version 330
uniform vec3 eye; uniform vec3 sun_direction; uniform vec3 sun; uniform float strength;
in vec3 v_ray; out vec4 pixel;
void main() {
    float sunward = max(dot(normalize(v_ray - eye), sun_direction), 0.0);
    float wide = sunward * sunward; wide *= wide; wide *= wide;
    pixel = vec4(sun * strength * wide * (0.2 + 0.8 * wide * wide), 1.0);
}
"""

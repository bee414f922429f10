// The nearest face of a surface, found by walking from face to neighbouring face (see nearest_faces.py).
#include "common/mesh.h"

namespace meshanim {
namespace {

double part(double value, double whole) {
  return std::min(std::max(value / (whole > 0 ? whole : 1), 0.0), 1.0);
}

struct Found {
  double squared, s, t;  // squared distance to first corner + s * first side + t * second side
};

struct Triangle {
  Vec3 corner, first, second;  // a corner and the two sides from it
  double ff, fs, ss;           // their scalar products

  Triangle(Vec3 a, Vec3 b, Vec3 c)
      : corner(a), first(b - a), second(c - a), ff(dot(first, first)), fs(dot(first, second)),
        ss(dot(second, second)) {}

  Found nearest(Vec3 point) const {
    const Vec3 offset = point - corner;
    const double of = dot(offset, first), os = dot(offset, second), oo = dot(offset, offset);
    const double area = ff * ss - fs * fs, safe = area > 0 ? area : 1;
    const double across = part(os - of - fs + ff, ff - 2 * fs + ss);
    const double s[] = {(ss * of - fs * os) / safe, part(of, ff), 0, 1 - across};
    const double t[] = {(ff * os - fs * of) / safe, 0, part(os, ss), across};
    const bool inside = !(s[0] < 0 || t[0] < 0 || s[0] + t[0] > 1 || area <= 0);
    Found best{std::numeric_limits<double>::infinity(), 0, 0};
    for (int i = inside ? 0 : 1; i < 4; ++i) {
      const double squared =
          oo - 2 * (s[i] * of + t[i] * os) + s[i] * s[i] * ff + 2 * s[i] * t[i] * fs + t[i] * t[i] * ss;
      if (squared < best.squared) best = {squared, s[i], t[i]};
    }
    best.squared = std::max(best.squared, 0.0);
    return best;
  }
};

}  // namespace
}  // namespace meshanim

using namespace meshanim;

// points, normals (count, 3), start (count) vertices of the surface; vertices (vertex_count, 3), faces and
// face_normals (face_count, 3), away: added to the squared distance of a face that looks the other way.
// Results: face (count) and weights (count, 3).
MESHANIM_EXPORT int32_t meshanim_nearest_faces(const double* points, const double* normals,
                                               const int64_t* start, int64_t count, const double* vertices,
                                               int64_t vertex_count, const int64_t* faces,
                                               const double* face_normals, int64_t face_count, double away,
                                               int64_t* face, double* weights) {
  return guarded([&] {
    const Sorted corners = sorted_by(3 * face_count, vertex_count, [&](int64_t h) { return faces[h]; });
    std::vector<Triangle> triangles;
    triangles.reserve(size_t(face_count));
    for (int64_t f = 0; f < face_count; ++f)
      triangles.emplace_back(at(vertices, faces[3 * f]), at(vertices, faces[3 * f + 1]),
                             at(vertices, faces[3 * f + 2]));
    std::vector<int64_t> seen_by(size_t(face_count), -1);  // the point that a face was last compared with
    for (int64_t i = 0; i < count; ++i) {
      const Vec3 point = at(points, i), normal = at(normals, i);
      Found best{};
      int64_t found = -1;
      const auto compare_around = [&](int64_t vertex) {
        for (int32_t k = corners.begin[size_t(vertex)]; k < corners.begin[size_t(vertex) + 1]; ++k) {
          const int64_t f = corners.items[size_t(k)] / 3;
          if (seen_by[size_t(f)] == i) continue;
          seen_by[size_t(f)] = i;
          Found rival = triangles[size_t(f)].nearest(point);
          if (dot(normal, at(face_normals, f)) <= 0) rival.squared += away;
          const bool nearer = rival.squared < best.squared || (rival.squared == best.squared && f < found);
          if (found >= 0 && !nearer) continue;
          best = rival;
          found = f;
        }
      };
      compare_around(start[i]);
      for (int64_t before = -1; found != before;) {
        before = found;
        for (int k = 0; k < 3; ++k) compare_around(faces[3 * before + k]);
      }
      face[i] = found;
      weights[3 * i] = std::max(1 - best.s - best.t, 0.0);
      weights[3 * i + 1] = best.s;
      weights[3 * i + 2] = best.t;
    }
  });
}

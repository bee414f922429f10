// Quadric error metric: squared distance to a set of planes in ten numbers.
#pragma once

#include "common/mesh.h"

namespace meshanim {

// Upper triangle, row by row, of the sum of weight * [n d]^T [n d] over planes n x + d = 0.
struct Quadric {
  double xx = 0, xy = 0, xz = 0, x1 = 0, yy = 0, yz = 0, y1 = 0, zz = 0, z1 = 0, one = 0;

  Quadric& operator+=(const Quadric& q) {
    xx += q.xx, xy += q.xy, xz += q.xz, x1 += q.x1, yy += q.yy;
    yz += q.yz, y1 += q.y1, zz += q.zz, z1 += q.z1, one += q.one;
    return *this;
  }
  // Weighted sum of squared distances of a point; what is not a number stays so.
  double error(Vec3 p) const {
    const double along_x = p.x * (xx * p.x + 2 * (xy * p.y + xz * p.z + x1));
    const double sum = along_x + p.y * (yy * p.y + 2 * (yz * p.z + y1)) + p.z * (zz * p.z + 2 * z1) + one;
    return sum <= 0 ? 0 : sum;
  }
  // Total weight: normals have unit length.
  double weight() const { return xx + yy + zz; }
};

struct Plane {
  Vec3 normal;  // of unit length, or zero
  double offset, size;

  Plane(Vec3 point, Vec3 direction) : size(length(direction)) {
    normal = direction / (size > 0 ? size : 1);
    offset = -dot(normal, point);
  }
  Quadric quadric(double w) const {
    const double x = w * normal.x, y = w * normal.y, z = w * normal.z;
    return {x * normal.x, x * normal.y, x * normal.z, x * offset,     y * normal.y,
            y * normal.z, y * offset,   z * normal.z, z * offset, w * offset * offset};
  }
};

// For each vertex the planes of its faces, weighted by area, and a plane across the face through each
// boundary edge, weighted by its length squared times `boundary`.
inline std::vector<Quadric> vertex_quadrics(const double* points, int64_t vertices,
                                            const std::vector<int32_t>& faces, double boundary) {
  std::vector<Quadric> sums(size_t(vertices), Quadric{}), per_face, per_edge;
  std::vector<Vec3> normals;
  for (size_t f = 0; f < faces.size(); f += 3) {
    const Vec3 first = at(points, faces[f]);
    const Plane plane(first, cross(at(points, faces[f + 1]) - first, at(points, faces[f + 2]) - first));
    per_face.push_back(plane.quadric(plane.size / 2));
    normals.push_back(plane.normal);
  }
  const std::vector<int32_t> sorted = half_edges_by_edge(faces.data(), int64_t(faces.size()), vertices);
  const auto ends = [&](int32_t h) { return std::minmax(faces[size_t(h)], faces[size_t(following(h))]); };
  std::vector<int32_t> alone;
  for (size_t i = 0; i < sorted.size(); ++i)
    if ((i == 0 || ends(sorted[i - 1]) != ends(sorted[i])) &&
        (i + 1 == sorted.size() || ends(sorted[i + 1]) != ends(sorted[i])))
      alone.push_back(sorted[i]);
  std::sort(alone.begin(), alone.end());
  for (const int32_t h : alone) {
    const Vec3 start = at(points, faces[size_t(h)]), side = at(points, faces[size_t(following(h))]) - start;
    per_edge.push_back(Plane(start, cross(side, normals[size_t(h / 3)])).quadric(boundary * dot(side, side)));
  }
  for (size_t corner = 0; corner < 3; ++corner)
    for (size_t f = 0; f < per_face.size(); ++f) sums[size_t(faces[3 * f + corner])] += per_face[f];
  for (size_t i = 0; i < alone.size(); ++i) sums[size_t(faces[size_t(alone[i])])] += per_edge[i];
  for (size_t i = 0; i < alone.size(); ++i) sums[size_t(faces[size_t(following(alone[i]))])] += per_edge[i];
  return sums;
}

}  // namespace meshanim

"""Mesh core: the mesh, its topology, spirals, decimation, hierarchies, files."""

from meshanim.mesh.decimation import Decimation as Decimation
from meshanim.mesh.decimation import decimate as decimate
from meshanim.mesh.deformation import deformation_gradients as deformation_gradients
from meshanim.mesh.faults import Fault as Fault
from meshanim.mesh.faults import MeshReport as MeshReport
from meshanim.mesh.faults import find_faults as find_faults
from meshanim.mesh.faults import mesh_report as mesh_report
from meshanim.mesh.geodesic import geodesic_distance as geodesic_distance
from meshanim.mesh.geometry import face_areas as face_areas
from meshanim.mesh.geometry import face_normals as face_normals
from meshanim.mesh.geometry import vertex_normals as vertex_normals
from meshanim.mesh.hierarchy import MeshHierarchy as MeshHierarchy
from meshanim.mesh.mesh import Mesh as Mesh
from meshanim.mesh.reading import read_mesh as read_mesh
from meshanim.mesh.rotations import axis_angle_to_matrix as axis_angle_to_matrix
from meshanim.mesh.rotations import axis_angle_to_quaternion as axis_angle_to_quaternion
from meshanim.mesh.rotations import matrix_to_axis_angle as matrix_to_axis_angle
from meshanim.mesh.rotations import matrix_to_quaternion as matrix_to_quaternion
from meshanim.mesh.rotations import quaternion_to_axis_angle as quaternion_to_axis_angle
from meshanim.mesh.rotations import quaternion_to_matrix as quaternion_to_matrix
from meshanim.mesh.spheres import Sphere as Sphere
from meshanim.mesh.spheres import fit_sphere as fit_sphere
from meshanim.mesh.spirals import reference_vertices as reference_vertices
from meshanim.mesh.spirals import spiral_sequences as spiral_sequences
from meshanim.mesh.topology import Topology as Topology
from meshanim.mesh.upsampling import upsampling_matrix as upsampling_matrix

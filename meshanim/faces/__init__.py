"""Face models: the built-in head, ICT-FaceKit, FLAME, behind one interface."""

from meshanim.faces.anny import AnnyFace as AnnyFace
from meshanim.faces.arkit import ARKIT_NAMES as ARKIT_NAMES
from meshanim.faces.articulation import Articulation as Articulation
from meshanim.faces.articulation import articulate as articulate
from meshanim.faces.face_model import FaceModel as FaceModel
from meshanim.faces.face_model import Joint as Joint
from meshanim.faces.facs import EXPRESSIONS as EXPRESSIONS
from meshanim.faces.flame import FlameFace as FlameFace
from meshanim.faces.from_mesh import MeshFace as MeshFace
from meshanim.faces.from_mesh import face_from_mesh as face_from_mesh
from meshanim.faces.ict import IctFace as IctFace
from meshanim.faces.loading import load_face as load_face
from meshanim.faces.performance_solving import SolvedPerformance as SolvedPerformance
from meshanim.faces.performance_solving import fitting_face as fitting_face
from meshanim.faces.performance_solving import solve_performance as solve_performance
from meshanim.faces.retargeting import retarget as retarget

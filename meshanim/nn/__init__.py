"""Layers: spiral convolution on meshes, pooling between levels, encoders and decoders, position maps."""

from meshanim.nn.expression_classifier import ExpressionClassifier
from meshanim.nn.head_motion_net import HeadMotionNet, StatisticsDiscriminator
from meshanim.nn.label_encoder import LabelEncoder
from meshanim.nn.levels import HasLevels, MeshLevels
from meshanim.nn.mesh_pooling import MeshDown, MeshUp
from meshanim.nn.modulation import FeatureModulation, Modulation
from meshanim.nn.position_map_net import PositionMapNet, ResidualBlock
from meshanim.nn.principal_components import PrincipalComponents
from meshanim.nn.small_position_map_net import SmallPositionMapNet
from meshanim.nn.spiral_conv import SpiralConv
from meshanim.nn.spiral_decoder import SpiralDecoder
from meshanim.nn.spiral_encoder import SpiralEncoder
from meshanim.nn.up_spiral_conv import UpSpiralConv

__all__ = [
    "ExpressionClassifier",
    "FeatureModulation",
    "HasLevels",
    "HeadMotionNet",
    "LabelEncoder",
    "MeshDown",
    "MeshLevels",
    "MeshUp",
    "Modulation",
    "PositionMapNet",
    "PrincipalComponents",
    "ResidualBlock",
    "SmallPositionMapNet",
    "SpiralConv",
    "SpiralDecoder",
    "SpiralEncoder",
    "StatisticsDiscriminator",
    "UpSpiralConv",
]

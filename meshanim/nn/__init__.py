"""Layers: spiral convolution and pooling on meshes, encoders, decoders, position maps, attention, fusion."""

from meshanim.nn.aligned_attention import AlignedAttention
from meshanim.nn.aligned_decoder import AlignedDecoderBlock, DecoderCache
from meshanim.nn.biased_attention import AttentionCache, BiasedCausalAttention
from meshanim.nn.element_attention import ElementAttention, ElementCoAttention
from meshanim.nn.expression_classifier import ExpressionClassifier
from meshanim.nn.head_motion_net import HeadMotionNet, StatisticsDiscriminator
from meshanim.nn.label_encoder import LabelEncoder
from meshanim.nn.levels import HasLevels, MeshLevels
from meshanim.nn.mesh_pooling import MeshDown, MeshUp
from meshanim.nn.modulation import FeatureModulation, Modulation
from meshanim.nn.periodic_encoding import PeriodicPositionalEncoding
from meshanim.nn.polynomial_factors import FUSIONS, CoupledFusion, CPFusion, TuckerFusion, make_fusion
from meshanim.nn.polynomial_fusion import Concatenation, FullFusion, Fusion, PolynomialFusion
from meshanim.nn.position_map_net import PositionMapNet, ResidualBlock
from meshanim.nn.principal_components import PrincipalComponents
from meshanim.nn.skipped_up_conv import SkippedUpConv
from meshanim.nn.small_position_map_net import SmallPositionMapNet
from meshanim.nn.spiral_conv import SpiralConv
from meshanim.nn.spiral_decoder import SpiralDecoder
from meshanim.nn.spiral_encoder import SpiralEncoder
from meshanim.nn.temporal_fusion import TEMPORAL_FUSIONS, DilatedConv, TemporalFusion, temporal_fusion
from meshanim.nn.up_spiral_conv import UpSpiralConv

__all__ = [
    "FUSIONS",
    "TEMPORAL_FUSIONS",
    "AlignedAttention",
    "AlignedDecoderBlock",
    "AttentionCache",
    "BiasedCausalAttention",
    "CPFusion",
    "Concatenation",
    "CoupledFusion",
    "DecoderCache",
    "DilatedConv",
    "ElementAttention",
    "ElementCoAttention",
    "ExpressionClassifier",
    "FeatureModulation",
    "FullFusion",
    "Fusion",
    "HasLevels",
    "HeadMotionNet",
    "LabelEncoder",
    "MeshDown",
    "MeshLevels",
    "MeshUp",
    "Modulation",
    "PeriodicPositionalEncoding",
    "PolynomialFusion",
    "PositionMapNet",
    "PrincipalComponents",
    "ResidualBlock",
    "SkippedUpConv",
    "SmallPositionMapNet",
    "SpiralConv",
    "SpiralDecoder",
    "SpiralEncoder",
    "StatisticsDiscriminator",
    "TemporalFusion",
    "TuckerFusion",
    "UpSpiralConv",
    "make_fusion",
    "temporal_fusion",
]

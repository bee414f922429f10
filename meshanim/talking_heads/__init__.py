"""Talking heads: who a performance looks like."""

from meshanim.talking_heads.appearance import Appearance as Appearance

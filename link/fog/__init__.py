"""One encoder over several nodes: who computes what, and what they tell each other."""

from link.fog.frame import MAX_FRAME_BYTES, MAX_PIXEL_BYTES
from link.fog.interface import Closed, Finished, Member, Model, TeamOptions, Wanted
from link.fog.plan import Plan
from link.fog.session import TeamSession

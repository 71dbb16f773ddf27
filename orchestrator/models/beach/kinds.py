"""The 56 kinds of objects on the beach (paper, section IV-B: 56 virtual objects): which form, in which colours.

`picture` draws them by number, navigation and interaction name them. A kind changes form, colours, size and side.
"""

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.models.beach import sea_forms as sea
from orchestrator.models.beach import shore_forms as shore
from orchestrator.models.beach.light import Colour
from orchestrator.models.beach.pen import Pen

Form = Callable[[Pen, "Kind"], None]


@dataclass(frozen=True)
class Kind:
    """`size` scales the form's height, `turn` is the side it leans or looks to (-1 or 1, or between)."""

    name: str
    form: Form
    first: Colour
    second: Colour
    third: Colour
    size: float = 1.0
    turn: float = 1.0


RED, ORANGE, YELLOW, GREEN = (222, 62, 58), (242, 140, 52), (250, 212, 78), (72, 164, 96)
TEAL, BLUE, NAVY, PURPLE = (54, 178, 178), (58, 128, 212), (42, 62, 124), (142, 92, 186)
PINK, WHITE, CREAM, GREY = (244, 140, 168), (248, 246, 240), (250, 232, 198), (136, 138, 146)
BROWN, BARK, LEAF, DARK_LEAF = (140, 96, 60), (150, 116, 78), (70, 152, 76), (46, 120, 70)
CORAL, GOLD, SAND, STONE = (246, 126, 104), (226, 178, 60), (222, 190, 130), (120, 114, 108)

KINDS: tuple[Kind, ...] = (
    Kind("coconut palm", shore.palm, BARK, LEAF, BROWN),
    Kind("leaning palm", shore.palm, BARK, DARK_LEAF, GOLD, 0.92, -1.6),
    Kind("young palm", shore.palm, BROWN, (112, 180, 84), GREEN, 0.68, 0.6),
    Kind("red parasol", shore.parasol, RED, WHITE, GOLD),
    Kind("blue parasol", shore.parasol, BLUE, WHITE, NAVY, 1.0, -1.0),
    Kind("rainbow parasol", shore.parasol, YELLOW, CORAL, TEAL, 1.0, 0.3),
    Kind("straw parasol", shore.parasol, (206, 172, 106), (184, 148, 88), BROWN, 1.0, 0.0),
    Kind("red lighthouse", shore.lighthouse, RED, WHITE, RED),
    Kind("blue lighthouse", shore.lighthouse, WHITE, BLUE, NAVY),
    Kind("thatched hut", shore.hut, (196, 150, 98), (206, 172, 106), BROWN),
    Kind("blue beach hut", shore.hut, (120, 184, 216), WHITE, NAVY, 0.9),
    Kind("pink beach hut", shore.hut, PINK, CREAM, PURPLE, 0.95),
    Kind("lifeguard tower", shore.tower, RED, WHITE, YELLOW),
    Kind("surf school", shore.tower, TEAL, ORANGE, CORAL),
    Kind("sand castle", shore.castle, (216, 178, 116), (196, 156, 96), RED),
    Kind("royal sand castle", shore.castle, (228, 194, 134), GOLD, PURPLE, 1.15),
    Kind("striped deck chair", shore.chair, BLUE, WHITE, WHITE),
    Kind("sunny deck chair", shore.chair, YELLOW, ORANGE, WHITE),
    Kind("pink towel", shore.towel, PINK, WHITE, CORAL),
    Kind("sea towel", shore.towel, TEAL, CREAM, BLUE),
    Kind("navy towel", shore.towel, NAVY, WHITE, RED),
    Kind("red bucket and spade", shore.bucket, RED, ORANGE, BLUE),
    Kind("green bucket and spade", shore.bucket, GREEN, YELLOW, PURPLE, 1.1),
    Kind("camp fire", shore.fire, RED, ORANGE, YELLOW),
    Kind("driftwood fire", shore.fire, ORANGE, YELLOW, WHITE, 0.8),
    Kind("grey rocks", shore.rock, (104, 106, 112), GREY, (86, 120, 84)),
    Kind("red rocks", shore.rock, (156, 92, 74), (190, 120, 92), (96, 74, 66), 1.3),
    Kind("hibiscus", shore.flower, RED, CORAL, YELLOW),
    Kind("frangipani", shore.flower, WHITE, YELLOW, GOLD, 0.9),
    Kind("violet lily", shore.flower, PURPLE, PINK, GOLD, 1.1),
    Kind("pink scallop", sea.scallop, PINK, CREAM, CORAL),
    Kind("golden scallop", sea.scallop, GOLD, CREAM, BROWN, 1.05),
    Kind("queen conch", sea.conch, CREAM, CORAL, PINK),
    Kind("tiger conch", sea.conch, (226, 178, 120), BROWN, CREAM, 1.0, 0.85),
    Kind("orange starfish", sea.starfish, ORANGE, CORAL, CREAM),
    Kind("purple starfish", sea.starfish, PURPLE, (116, 72, 160), PINK, 1.05, -1.0),
    Kind("red crab", sea.crab, RED, (176, 44, 44), WHITE),
    Kind("blue crab", sea.crab, BLUE, NAVY, WHITE, 0.9),
    Kind("white sailing boat", sea.sailboat, NAVY, CREAM, RED),
    Kind("red sailing boat", sea.sailboat, BROWN, RED, GOLD, 0.95),
    Kind("fishing boat", sea.rowboat, TEAL, CREAM, BROWN),
    Kind("rowing boat", sea.rowboat, RED, WHITE, BARK),
    Kind("long surfboard", sea.surfboard, CREAM, TEAL, NAVY),
    Kind("short surfboard", sea.surfboard, CORAL, YELLOW, WHITE, 0.8, -1.0),
    Kind("beach ball", sea.beach_ball, RED, BLUE, YELLOW),
    Kind("volleyball", sea.volleyball, CREAM, GREY, STONE),
    Kind("sea gull", sea.gull, WHITE, (222, 224, 228), ORANGE),
    Kind("grey gull", sea.gull, (206, 208, 214), GREY, YELLOW, 1.0, -1.0),
    Kind("green turtle", sea.turtle, (84, 128, 74), (140, 168, 96), (60, 100, 62)),
    Kind("dolphin", sea.dolphin, (92, 118, 148), (196, 210, 220), GREY),
    Kind("clown fish", sea.fish, ORANGE, WHITE, CORAL),
    Kind("red buoy", sea.buoy, STONE, RED, YELLOW),
    Kind("life ring", sea.ring, RED, WHITE, CREAM),
    Kind("stunt kite", sea.kite, RED, YELLOW, BLUE),
    Kind("treasure chest", sea.chest, BROWN, GOLD, STONE),
    Kind("message in a bottle", sea.bottle, (134, 190, 160), CREAM, BARK),
)
COUNT = len(KINDS)

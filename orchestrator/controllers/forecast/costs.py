"""What a capacity costs once the demand is known, and the quantile that makes the expected cost least.

Cost of a step = over-provision + 10 × under-provision, in the demand's own unit. It is eleven times the pinball loss at
10/11, so the best capacity is the 10/11 quantile of what demand may be (the newsvendor's critical ratio).
"""

from typing import overload

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OVER = 1.0
"""cost of a unit of capacity that nobody needed, for a step"""
UNDER = 10.0
"""cost of a unit of demand that found no capacity, for a step"""
QUANTILE = UNDER / (OVER + UNDER)


@overload
def cost(capacity: float, demand: float) -> float: ...
@overload
def cost(capacity: Floats, demand: Floats | float) -> Floats: ...
def cost(capacity: Floats | float, demand: Floats | float) -> Floats | float:
    """Over-provision + 10 × under-provision, element by element."""
    spare = np.subtract(capacity, demand)
    return np.where(spare >= 0, OVER * spare, -UNDER * spare)[()]

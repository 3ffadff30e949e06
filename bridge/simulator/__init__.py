"""A scriptable TMF656 server to try things against: v2, v3, R18.5, v4 and v5, a population that lives, and faults on
demand.

`simulator` the whole and its calls · `world` truth, hub and the ways to change them · `population` the lives ·
`collection` the truth and its bytes · `dialect` how each version says it · `selection`, `paging`, `patch` what
requests ask for · `hub` deliveries · `server` HTTP · `faults` what goes wrong.

It shares no code with the side of the bridge that reads TMF656: each is there to find the mistakes of the other.
"""

from bridge.simulator.tmf656.faults import Faults
from bridge.simulator.tmf656.simulator import Simulator, serve

__all__ = ["Faults", "Simulator", "serve"]

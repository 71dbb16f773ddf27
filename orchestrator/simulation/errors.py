"""What can be wrong with what a simulation is given; nothing is written where one is raised."""

from orchestrator.errors import OrchestratorError


class SimulationError(OrchestratorError):
    """Root of this package's errors."""

    code = "simulation"
    title = "The simulation cannot run"
    status = http_status = 400
    remedy = ""
    """every message ends with it"""


class TraceMalformed(SimulationError):
    """A recording that is not of the form that docs/controllers.md names."""

    code = "trace_malformed"
    title = "A recording cannot be read"


class ScenarioMalformed(SimulationError):
    """A scenario that its schema refuses, or that contradicts itself."""

    code = "scenario_malformed"
    title = "The scenario cannot be read"


class AboveCapacity(SimulationError):
    """A controller granted more than there is: a fault of the controller."""

    code = "above_capacity"
    title = "A controller granted more than there is"

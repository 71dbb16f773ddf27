"""`s4m up`: the whole house in the foreground until Ctrl-C or SIGTERM."""

from __future__ import annotations

import click

from s4m.command import Session, common


@click.command()
@click.option(
    "--port-base", type=click.IntRange(0, 65_532), default=8700, show_default=True,
    help="Four ports from here; 0 takes free ones.",
)  # fmt: skip
@click.option(
    "--design-epoch", type=click.FloatRange(0), default=300.0, show_default=True, envvar="S4M_DESIGN_EPOCH_S",
    help="Seconds between the global controller's designs; 0: it does not run.",
)  # fmt: skip
@common
def up(session: Session, port_base: int, design_epoch: float) -> None:
    """Run chain, marketplace, orchestrator and gateway; restart what dies; stop all on Ctrl-C."""
    import signal
    import threading

    from s4m.supervisor import House

    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    house = House.start(
        session.home,
        port_base=port_base,
        domain=session.settings.domain,
        environment={"S4M_DESIGN_EPOCH_S": str(design_epoch)},
        say=session.say,
    )
    try:
        session.show(
            {
                "home": str(house.home),
                "chain": house.urls.chain,
                "marketplace": house.urls.marketplace,
                "orchestrator": house.urls.orchestrator,
                "gateway": house.urls.gateway,
                "pids": house.pids,
            }
        )
        while not asked.wait(0.5):
            pass
    finally:
        session.say("stopping")
        house.stop()

"""Domain-specific orchestrators behind the one port: a site belongs to a domain, and each domain has its own runtime.

MMF calls it like any runtime; `app` names what serves which domain, the topology which site is of which. What a domain
that is down still runs is left to it: what nobody wants any more the keeper ends when it is back. It chooses no site.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import structlog

from orchestrator.resources.topology import SANDBOX
from orchestrator.runtime.errors import RuntimeFault, UnknownDomain
from orchestrator.runtime.port import InstanceSpec, Observation, Runtime

log = structlog.get_logger("runtime")


class Domains:
    """Fills `port.Runtime` over the runtimes of several domains. `of_site` is the domain of each site."""

    def __init__(self, runtimes: Mapping[str, Runtime], of_site: Mapping[str, str]) -> None:
        """Raises UnknownDomain, so that nothing is ever placed where nobody would start it."""
        for site, domain in of_site.items():
            if domain not in runtimes:
                raise UnknownDomain(
                    f"The site {site} is of the domain {domain!r}, which nothing here orchestrates. Name one of "
                    f"{', '.join(sorted(runtimes))} in the topology, or none for {SANDBOX}."
                )
        self._runtimes = runtimes
        self._of_site = of_site

    def ensure(self, spec: InstanceSpec) -> Observation:
        """In the domain of the instance's site."""
        return self._runtimes[self._domain(spec.site)].ensure(spec)

    def regrant(self, spec: InstanceSpec) -> Path | None:
        """In the domain of the instance's site."""
        return self._runtimes[self._domain(spec.site)].regrant(spec)

    def observe(self) -> tuple[Observation, ...]:
        """What all domains that answer run."""
        seen: list[Observation] = []
        for domain, runtime in self._runtimes.items():
            try:
                seen += runtime.observe()
            except RuntimeFault as cause:
                log.warning("domain.unseen", domain=domain, code=cause.code, error=str(cause))
        return tuple(seen)

    def closed(self, sites: Collection[str]) -> Mapping[str, str]:
        """The sites of the domains that are down, each with its domain's cause and remedy."""
        found: dict[str, str] = {}
        for domain, runtime in self._runtimes.items():
            found |= runtime.closed([site for site in sites if self._domain(site) == domain])
        return found

    def bounds(self) -> Mapping[str, str]:
        """Of every domain; those of others than the sandbox carry its name."""
        return {
            name if domain == SANDBOX else f"{domain}: {name}": word
            for domain, runtime in self._runtimes.items()
            for name, word in runtime.bounds().items()
        }

    def delete(self, instance_id: str) -> None:
        """Wherever it is: of an id alone nobody knows the site, and to a domain that has none of it it is no error."""
        for domain, runtime in self._runtimes.items():
            try:
                runtime.delete(instance_id)
            except RuntimeFault as cause:
                log.warning("domain.left", domain=domain, instance=instance_id, code=cause.code, error=str(cause))

    def _domain(self, site: str) -> str:
        return self._of_site.get(site, SANDBOX)

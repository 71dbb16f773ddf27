"""The orchestrator: finalised purchases in, running, metered and supervised Metaverse service instances out."""

"""Tests in a real Chromium over one whole house: marketplace, orchestrator, gateway, chain, sandboxes."""

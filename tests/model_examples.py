"""Parameters that every call of every installed model answers, in an order in which they do: for tests of them all."""

from collections.abc import Mapping
from typing import Any

FACT = ["pump", "part_of", "hall"]
MAIN = {"main": {"params": ["n"], "body": ["fold", "t", 0, "i", ["range", ["$", "n"]], ["+", ["$", "t"], ["$", "i"]]]}}
TRAIN = {"name": "n", "samples": [[0, 1], [1, 0]] * 5, "labels": ["a", "b"] * 5}
READINGS = {"object": "o", "t": [1, 2], "channels": {"x": {"values": [1, None], "variance": 1}}}
ROOM = {"room": "pier", "user": "ann"}
EXAMPLES: Mapping[str, list[tuple[str, dict[str, Any]]]] = {
    "3d-modelling": [
        ("model", {"parts": [{"shape": "gear", "teeth": 9, "at": [0, 0, 1], "turn_deg": 3, "colour": [1, 0, 0]}]}),
        ("model", {"parts": [{"shape": "revolve", "profile": [[1, 0], [2, 1]]}], "format": "gltf"}),
        ("model", {"parts": [{"shape": "extrude", "outline": [[0, 0], [1, 0], [0, 1]], "height": 2}]}),
    ],
    "ai-classifier": [("train", TRAIN), ("classify", {"name": "n", "samples": [[0, 1]]})],
    "ai-forecasting": [("forecast", {"history": [1, 2, 3, 4] * 5, "steps": 3, "season": 4, "quantiles": [0.5]})],
    "ar-navigation": [
        ("navigate", {"x": 5, "y": 5, "yaw": 1, "radius": 40, "to": {"x": 20, "y": 9}, "map": True}),
        ("navigate", {"x": 5, "y": 5, "to": {"object": 3}}),
    ],
    "cloud-server": [
        ("deploy", {"name": "f", "functions": MAIN}),
        ("invoke", {"name": "f", "args": [5]}),
        ("list", {}),
    ],
    "communication-protocol": [
        ("connect", {"client": "a", "clean": True}),
        ("subscribe", {"client": "a", "filter": "x/#", "qos": 1}),
        ("publish", {"topic": "x/y", "payload": "p", "qos": 2, "id": "1", "retain": True}),
        ("receive", {"client": "a", "most": 5}),
        ("acknowledge", {"client": "a", "ids": [1]}),
        ("disconnect", {"client": "a"}),
    ],
    "content-creation": [
        ("hologram", {"seed": 1, "t": 0.5, "gesture": "walk", "points": 200}),
        ("texture", {"material": "sand", "seed": 1, "size": 32}),
    ],
    "data-management": [
        ("ingest", {"source": "s", "kind": "k", "t": 3, "values": {"a": 1, "b": 2}, "variance": {"a": 0.5}}),
        ("query", {"what": "observations", "kind": "k", "name": "a", "since": 1, "limit": 9}),
    ],
    "device": [
        (
            "capture",
            {"seed": 1, "t": 9, "seconds": 0.1, "pose": {"x": 1, "y": 2, "yaw": 3}, "kinds": ["visual", "motion"]},
        ),
    ],
    "digital-twin": [("observe", READINGS), ("state", {"object": "o", "t": 5})],
    "edge-cache": [("put", {"key": "k", "content_type": "text/plain"}), ("get", {"key": "k"})],
    "edge-computing": [
        (
            "run",
            {
                "records": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
                "where": [["a", ">", 0]],
                "group_by": ["b"],
                "reduce": {"m": ["mean", "a"], "n": ["count"]},
            },
        ),
    ],
    "edge-server": [
        ("enter", {**ROOM, "x": 1, "y": 2}),
        ("act", {**ROOM, "x": 1, "y": 2, "state": {"a": 1}}),
        ("view", {**ROOM, "radius": 5, "since": 0}),
        ("leave", ROOM),
    ],
    "fog-computing": [("tile", {"world": "w", "level": 3, "x": 1, "y": 2, "node": 1})],
    "hardware": [
        (
            "heat",
            {
                "size_m": [0.1, 0.2],
                "cells": 12,
                "conductivity": 50,
                "thickness_m": 0.01,
                "edges": {"left": 20},
                "sources": [{"x": 0.05, "y": 0.1, "radius": 0.01, "watts": 5}],
            },
        ),
        ("multiply", {"a": [[1, 2]], "b": [[1], [2]]}),
    ],
    "human-computer-interaction": [
        (
            "interpret",
            {
                "strokes": [[[0, 0], [9, 1]], [[0, 0], [5, 9], [9, 0]]],
                "gaze": [{"t": t, "origin": [0, 0, 0], "direction": [0, 0, 1]} for t in (0, 1)],
                "objects": [{"object": 3, "x": 0, "y": 0, "z": 5, "r": 1}],
            },
        ),
    ],
    "infrastructure": [("capacity", {"seconds": 0.01})],
    "knowledge": [
        ("learn", {"facts": [FACT], "source": "book"}),
        ("rule", {"name": "r", "if": [["?a", "part_of", "?b"]], "then": ["?b", "has", "?a"]}),
        ("ask", {"where": [["?a", "has", "?b"]], "filter": [["?b", "!=", "x"]], "select": ["?a"], "limit": 3}),
        ("why", {"fact": FACT}),
    ],
    "monitoring": [("conditions", {"beach": "north", "t": 1e9, "hours": 2})],
    "network-slice": [
        (
            "schedule",
            {"flows": [{"name": "f", "rate_mbps": 5, "weight": 2, "bucket_kib": 9, "burst": 2}], "seconds": 0.01},
        ),
        ("uplink", {}),
        ("downlink", {}),
    ],
    "platform": [("capacity", {"exchanges": 20})],
    "rendering-server": [
        (
            "frame",
            {
                "objects": [{"object": 3, "k": 0.5}],
                "view": {"x": 1, "y": 2, "yaw": 3, "t": 4},
                "format": "png",
                "quality": 50,
            },
        ),
        ("souvenir", {"object": 3, "seed": 1, "size": 16}),
    ],
    "sensors": [
        ("read", {"kind": "patient", "name": "p", "t": 9, "seconds": 1, "rate_hz": 2, "channels": ["heart_bpm"]})
    ],
    "software": [
        (
            "run",
            {
                "series": [1, 2, 3, 4, 5, 6, 7, 8, 9],
                "rate_hz": 2,
                "steps": [
                    {"do": "smooth", "window": 3},
                    {"do": "band", "low_hz": 0, "high_hz": 0.5},
                    {"do": "spectrum", "peaks": 2},
                    {"do": "events", "above": 3},
                ],
            },
        ),
    ],
    "storage": [
        ("put", {"key": "k", "data": "aGVsbG8=", "content_type": "text/plain", "if_version": 0}),
        ("get", {"key": "k", "version": 1}),
        ("list", {"prefix": "k", "after": "a", "limit": 3}),
        ("delete", {"key": "k"}),
    ],
    "terahertz-link": [("uplink", {}), ("downlink", {})],
    "time-frequency-division": [
        (
            "schedule",
            {"users": [{"name": "a", "mbps": 5, "snr_db": 9, "weight": 2}], "mode": "time", "slots": 4, "frame_ms": 5},
        ),
    ],
}

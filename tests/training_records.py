"""What a finished training writes of itself into a manifest: no card is written without it."""

TRAINING = {
    "config": {
        "seed": 3,
        "contrastive": {"steps": 1, "batch_size": 2, "learning_rate": 1e-3},
        "denoiser": {"steps": 1, "batch_size": 2, "learning_rate": 1e-3},
    },
    "data_command": "fiberless data mock",
    "command": "fiberless train",
    "wall_seconds": 60.0,
    "threads": 1,
    "torch": "2.13",
}

CASCADE_TRAINING = {
    "config": {"kept_share": 1.0, "scheduler": "UniPCMultistepScheduler", "seed": 1},
    "data": {"kind": "mock", "n": 60, "description": "toy survey"},
    "rows": 40,
    "command": "fiberless train-cascade",
    "wall_seconds": 60.0,
    "processes": 1,
    "device": "cpu",
}

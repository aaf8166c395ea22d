"""Floor 2: fitting XCat models with a `Trainer` on Accelerate."""

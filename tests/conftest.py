"""What every test may use: the embedded servers and the running server of chassis.testing."""

pytest_plugins = ["chassis.testing"]

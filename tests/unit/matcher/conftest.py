"""Properties run without a clock: a busy machine is no counter-example."""

from hypothesis import Phase, settings

settings.register_profile(
    "matcher",
    deadline=None,
    max_examples=60,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
settings.load_profile("matcher")

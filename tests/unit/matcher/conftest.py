"""Properties of texts and pictures are dear: sixty examples each, and nothing explained."""

from hypothesis import Phase, settings

settings.register_profile(
    "matcher",
    settings.get_profile("patient"),
    max_examples=60,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
settings.load_profile("matcher")

"""The names under which features are explained: a few factors a reviewer can read."""

FACTORS: dict[str, tuple[str, ...]] = {
    "name": (
        "alias_words", "alias_chars", "zipf_min", "zipf_mean", "zipf_max", "zipf_other", "pair_min", "pair_mean", "place", "person", "alias_prior", "promise",
        "breaks", "digits_only", "glyphs", "function_start", "function_end", "best_kind", "kind", "words_more",
    ),
    "popularity": ("popularity", "best_popularity", "alias_weight"),
    "homonyms": ("homonyms", "share", "rank", "gap", "rival_title", "type", "tv_words", "movie_words"),
    "form": (
        "words", "capitals", "capitals_outside", "shouted", "all_capital", "first_capital", "mark_before", "mark_after",
        "punctuation_inside", "breaks_inside", "previous_capital", "next_capital", "previous_digits", "next_digits",
        "run_before", "run_after", "inside_name",
    ),
    "tag": ("in_tag", "in_mention", "suffix", "prefix", "tag_share", "field"),
    "place": ("from_start", "from_end", "text_words", "covered"),
    "context": ("context_before", "context_after", "context_window", "context_anywhere", "topics_shared", "topics_said"),
    "year": ("year", "year_beside", "year_anywhere", "next_year", "age"),
    "people": ("cast_hits", "character_hits"),
    "rivals": (
        "rival_longer", "rival_inside", "rival_crossing", "rival_apart", "likely_apart", "title_spans",
    ),
}
_CUES = ("tv", "movie", "watch", "release", "fandom", "network", "elsewhere")
FACTORS["context"] += tuple(f"{cue}_{place}" for cue in _CUES for place in ("before", "after", "around"))
FACTOR_OF = {feature: factor for factor, features in FACTORS.items() for feature in features}

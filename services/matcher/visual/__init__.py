"""Visual matching: which title a video's frames show. Pure: no store, no proto, no event loop.

How a service uses it:

    engine = VisualEngine.build(references, disabled_titles=...)      # engine.py; thread-safe, changed in place
    engine.update(added=..., removed_ids=..., bank_states={"movie:tt1": False})   # from the change feed
    matches = engine.match(frames, counts)  # milliseconds; `counts` are details found to agree, by reference
    engine.info()                           # for GetIndexInfo

`Reference` and `Frame` (signals.py) carry `Fingerprint`s. Those sent by others pass `pdq_from_hex`,
`embedding_from_bytes` or `embedding_from_values`, `pdq_quality` and `frame_time`, which refuse bad values with
`SignalRefused` (INVALID_ARGUMENT, naming the field given as `at`). Pixels (JPEG, PNG, MP4) go to the child process
of worker.py, which answers with `Frame`s and, for reference images, `Fingerprint`s:

    async with FrameWorker(frame_model=path_or_none) as worker:
        frames = await worker.of_images([(t_ms, payload), ...], at="videos[0].images")
        frames = await worker.of_video(payload, at="videos[0].clip")
        fingerprints = await worker.of_reference(payload, ReferenceKind.POSTER, at="image")
        count = inliers(frame.picture, await worker.grey_of(jpeg, at="picture"))    # verify.py, off the request path

`fuse.fuse({title_id: text_logit}, matches, sounds.hear(title, author))` gives the final logit of every title, its
parts (text, prior, visual, sound, conflict) and `is_contested` (then: review).

`VisualMatch.contribution` is a log likelihood ratio, the exact sum of its evidence. fuse.py adds it to the logit of
the text and of the sound and says whether the picture speaks against the words (then: review, no anchor).
It refuses to guess: flat pictures, idents found under many titles and far neighbours say nothing.
"""

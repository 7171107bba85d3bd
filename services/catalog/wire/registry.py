"""Aliases and reference images between the protos and ours."""

import hashlib
from collections.abc import Iterable

from chassis.errors import InvalidArgument, Violation
from chassis.timestamps import moment_in, timestamp
from protos.catalog.v1 import catalog_pb2 as pb
from services.catalog import domain
from services.catalog.wire import enums
from services.catalog.wire.parts import number

JPEG = b"\xff\xd8\xff"
HASH_BYTES = 16


def alias_to(alias: domain.Alias) -> pb.Alias:
    return pb.Alias(
        title_id=alias.title_id,
        name=alias.name,
        kind=number(enums.ALIAS_KIND_NUMBERS[alias.kind]),
        ambiguity_class=number(enums.AMBIGUITY_CLASS_NUMBERS[alias.ambiguity_class]),
        prior=alias.prior,
        pinned=alias.pinned,
        source=number(enums.ALIAS_SOURCE_NUMBERS[alias.source]),
        update_time=timestamp(alias.update_time),
        shared_count=alias.shared_count,
        derived_prior=alias.derived_prior,
        derived_class=number(enums.AMBIGUITY_CLASS_NUMBERS[alias.derived_class]),
    )


def alias_from(alias: pb.Alias) -> domain.Alias:
    return domain.Alias(
        title_id=alias.title_id,
        name=alias.name,
        kind=enums.ALIAS_KINDS[alias.kind],
        ambiguity_class=enums.AMBIGUITY_CLASSES[alias.ambiguity_class],
        prior=alias.prior,
        pinned=alias.pinned,
        source=enums.ALIAS_SOURCES[alias.source],
        update_time=moment_in(alias, "update_time"),
        shared_count=alias.shared_count,
        derived_prior=alias.derived_prior,
        derived_class=enums.AMBIGUITY_CLASSES[alias.derived_class],
    )


def image_to(image: domain.ReferenceImage) -> pb.ReferenceImage:
    return pb.ReferenceImage(
        id=image.id,
        title_id=image.title_id,
        kind=number(enums.REFERENCE_IMAGE_KIND_NUMBERS[image.kind]),
        uri=image.uri,
        pdq=image.pdq,
        pdq_quality=image.pdq_quality,
        embeddings=map(embedding_to, image.embeddings),
        state=number(enums.REFERENCE_STATE_NUMBERS[image.state]),
        source=image.source,
        create_time=timestamp(image.create_time),
        picture_hash=image.picture_hash,
    )


def image_from(image: pb.ReferenceImage) -> domain.ReferenceImage:
    return domain.ReferenceImage(
        id=image.id,
        title_id=image.title_id,
        kind=enums.REFERENCE_IMAGE_KINDS[image.kind],
        uri=image.uri,
        pdq=tuple(image.pdq),
        pdq_quality=image.pdq_quality,
        embeddings=tuple(map(embedding_from, image.embeddings)),
        state=enums.REFERENCE_STATES[image.state],
        source=image.source,
        create_time=moment_in(image, "create_time"),
        picture_hash=picture_hash(image.picture),
    )


def pictures_from(images: Iterable[pb.ReferenceImage]) -> dict[str, bytes]:
    """The pictures that came with images, by their hashes; what is no JPEG is refused."""
    found: dict[str, bytes] = {}
    for at, image in enumerate(images):
        if image.picture and not image.picture.startswith(JPEG):
            raise InvalidArgument(violations=[Violation(f"images[{at}].picture", "must be a JPEG")])
        if image.picture:
            found[picture_hash(image.picture)] = image.picture
    return found


def picture_hash(picture: bytes) -> str:
    return hashlib.blake2b(picture, digest_size=HASH_BYTES).hexdigest() if picture else ""


def picture_to(picture: domain.ReferencePicture) -> pb.ReferencePicture:
    return pb.ReferencePicture(id=picture.id, title_id=picture.title_id, picture=picture.picture)


def embedding_to(embedding: domain.ReferenceEmbedding) -> pb.ReferenceEmbedding:
    return pb.ReferenceEmbedding(
        model=embedding.model,
        dim=embedding.dim,
        dtype=number(enums.EMBEDDING_DTYPE_NUMBERS[embedding.dtype]),
        values=embedding.values,
    )


def embedding_from(embedding: pb.ReferenceEmbedding) -> domain.ReferenceEmbedding:
    return domain.ReferenceEmbedding(
        model=embedding.model,
        dim=embedding.dim,
        dtype=enums.EMBEDDING_DTYPES[embedding.dtype],
        values=tuple(embedding.values),
    )


def bank_to(bank: domain.ReferenceBank) -> pb.ReferenceBank:
    return pb.ReferenceBank(
        title_id=bank.title_id,
        state=number(enums.REFERENCE_STATE_NUMBERS[bank.state]),
        image_count=bank.image_count,
        update_time=timestamp(bank.update_time),
    )

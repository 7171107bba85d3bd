"""Campaigns and the texts of their revisions.

A campaign's document names the revision text that is in force, and is changed only on condition of its version. The
text of a new revision is inserted first, under an id of its own: if the process dies before the campaign names it, it
is an orphan nobody reads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import pymongo
from pymongo.errors import DuplicateKeyError

from chassis.mongo import Database, deadline
from services.incentives.campaigns import kept
from services.incentives.domain import Campaign, CampaignState, Terms
from services.incentives.errors import CampaignNotFound, EtagMismatch
from services.incentives.store.documents import Document, decode, encode

VISIBLE = (CampaignState.SCHEDULED, CampaignState.ACTIVE)
TEXTS_CACHED_MAX = 2_000


class Campaigns:
    def __init__(self, database: Database) -> None:
        self._campaigns = database["campaigns"]
        self._texts = database["campaign_revisions"]
        # A revision's text never changes, so what was read once is good for ever.
        self._known_texts: dict[str, Terms] = {}

    async def ensure_indexes(self) -> None:
        with deadline():
            for key in ("studio_id", "state", "terms.title_ids"):
                await self._campaigns.create_index(key)

    async def insert(self, campaign: Campaign) -> Campaign:
        """Stores a draft; the same id again gives what is there."""
        with deadline():
            try:
                await self._campaigns.insert_one(encode(campaign))
            except DuplicateKeyError:
                return await self.get(campaign.id)
        return campaign

    async def get(self, campaign_id: str) -> Campaign:
        found = await self.find(campaign_id)
        if found is None:
            raise CampaignNotFound(metadata={"campaign_id": campaign_id})
        return found

    async def find(self, campaign_id: str) -> Campaign | None:
        with deadline():
            document = await self._campaigns.find_one({"_id": campaign_id})
        return None if document is None else decode(Campaign, document)

    async def find_many(self, campaign_ids: Iterable[str]) -> dict[str, Campaign]:
        wanted = sorted(set(campaign_ids))
        if not wanted:
            return {}
        with deadline():
            documents = await self._campaigns.find({"_id": {"$in": wanted}}).to_list(None)
        return {document["_id"]: decode(Campaign, document) for document in documents}

    async def replace(self, before: Campaign, after: Campaign) -> Campaign:
        """Stores a change on condition that nobody else made one since `before` was read."""
        stored = replace(after, version=before.version + 1)
        with deadline():
            result = await self._campaigns.replace_one({"_id": before.id, "version": before.version}, encode(stored))
        # The driver sends a write again when its answer was lost, and then finds its own change made.
        if result.matched_count == 0 and await self.find(before.id) != stored:
            raise EtagMismatch(metadata={"campaign_id": before.id})
        return stored

    async def delete(self, campaign: Campaign) -> None:
        with deadline():
            result = await self._campaigns.delete_one({"_id": campaign.id, "version": campaign.version})
        if result.deleted_count == 0 and await self.find(campaign.id) is not None:
            raise EtagMismatch(metadata={"campaign_id": campaign.id})

    async def page(
        self,
        *,
        studio_id: str,
        state: CampaignState | None,
        title_id: str,
        before: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Campaign]:
        """Newest first."""
        query: Document = {}
        if studio_id:
            query["studio_id"] = studio_id
        if state is not None:
            query["state"] = state.value
        if title_id:
            query["terms.title_ids"] = title_id
        if before is not None:
            moment, campaign_id = before
            query["$or"] = [
                {"create_time": {"$lt": moment}},
                {"create_time": moment, "_id": {"$lt": campaign_id}},
            ]
        order = [("create_time", pymongo.DESCENDING), ("_id", pymongo.DESCENDING)]
        with deadline():
            cursor = self._campaigns.find(query).sort(order).limit(limit)
            return [decode(Campaign, document) for document in await cursor.to_list(None)]

    async def of_title(self, title_id: str, limit: int) -> list[Campaign]:
        """Campaigns of a title that are scheduled or active."""
        query = {"terms.title_ids": title_id, "state": {"$in": [state.value for state in VISIBLE]}}
        with deadline():
            return [decode(Campaign, document) for document in await self._campaigns.find(query).to_list(limit)]

    async def in_states(self, states: Iterable[CampaignState]) -> list[Campaign]:
        query = {"state": {"$in": [state.value for state in states]}}
        with deadline():
            return [decode(Campaign, document) for document in await self._campaigns.find(query).to_list(None)]

    async def due(self, now: datetime, limit: int) -> list[Campaign]:
        """Campaigns the clock has to move."""
        query = {
            "$or": [
                {"state": CampaignState.SCHEDULED.value, "terms.start_time": {"$lte": now}},
                {
                    "state": {"$in": [CampaignState.ACTIVE.value, CampaignState.PAUSED.value]},
                    "terms.end_time": {"$lte": now},
                },
            ]
        }
        with deadline():
            return [decode(Campaign, document) for document in await self._campaigns.find(query).to_list(limit)]

    async def put_text(self, body_id: str, campaign_id: str, terms: Terms) -> None:
        """Stores the text of a revision; the same one again changes nothing."""
        with deadline():
            document = {"campaign_id": campaign_id, "terms": encode(terms)}
            await self._texts.replace_one({"_id": body_id}, document, upsert=True)

    async def texts(self, body_ids: Sequence[str]) -> dict[str, Terms]:
        """The texts of revisions by id."""
        unknown = sorted({each for each in body_ids if each not in self._known_texts})
        if unknown:
            with deadline():
                documents = await self._texts.find({"_id": {"$in": unknown}}).to_list(None)
            if len(self._known_texts) > TEXTS_CACHED_MAX:
                self._known_texts.clear()
            self._known_texts |= {each["_id"]: decode(Terms, each["terms"]) for each in documents}
        known = {each: self._known_texts[each] for each in body_ids if each in self._known_texts}
        assert len(known) == len(set(body_ids)), "a campaign names only revision texts that were stored before it"
        return known

    async def terms_at(self, campaign: Campaign, revision: int) -> Terms:
        """What holds for a creator who joined under a revision."""
        if revision == campaign.revision:
            return campaign.terms
        body_id = campaign.mark(revision).body_id
        return kept((await self.texts([body_id]))[body_id], campaign.terms)

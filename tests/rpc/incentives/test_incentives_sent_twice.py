"""Writes whose answer is lost: the driver sends them again, and they still happen once and are said to have."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.incentives.domain import Campaign, CampaignState, Terms
from services.incentives.errors import EtagMismatch
from services.incentives.store.campaigns import Campaigns
from tests.lost_answers import losing_an_answer

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DRAFT = Campaign(
    id="c1",
    studio_id="s",
    terms=Terms(display_name="Twice", title_ids=("t1",), start_time=NOW, end_time=NOW.replace(day=9)),
    create_time=NOW,
    update_time=NOW,
    state=CampaignState.DRAFT,
    version=1,
)
PAUSED = replace(DRAFT, state=CampaignState.PAUSED)


async def test_a_change_of_a_campaign_is_made_and_said_to_be(database, mongo_url):
    await Campaigns(database).insert(DRAFT)
    async with losing_an_answer(mongo_url, database.name, b"update", b"campaigns") as behind:
        stored = await Campaigns(behind).replace(DRAFT, PAUSED)
    assert await Campaigns(database).get("c1") == stored
    assert (stored.state, stored.version) == (CampaignState.PAUSED, 2)


async def test_a_change_that_somebody_else_made_first_is_still_refused(database):
    campaigns = Campaigns(database)
    await campaigns.insert(DRAFT)
    await campaigns.replace(DRAFT, PAUSED)
    with pytest.raises(EtagMismatch):
        await campaigns.replace(DRAFT, replace(DRAFT, state=CampaignState.ENDED))
    with pytest.raises(EtagMismatch):
        await campaigns.delete(DRAFT)


async def test_a_draft_is_deleted(database, mongo_url):
    await Campaigns(database).insert(DRAFT)
    async with losing_an_answer(mongo_url, database.name, b"delete", b"campaigns") as behind:
        await Campaigns(behind).delete(DRAFT)
    assert await Campaigns(database).find("c1") is None


async def test_the_text_of_a_revision_is_stored(database, mongo_url):
    async with losing_an_answer(mongo_url, database.name, b"update", b"campaign_revisions") as behind:
        await Campaigns(behind).put_text("b1", "c1", DRAFT.terms)
    assert await Campaigns(database).texts(["b1"]) == {"b1": DRAFT.terms}

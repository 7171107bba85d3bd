"""Who may call what: the table is complete, identities are filled, strangers are refused."""

import pytest
from google.protobuf import field_mask_pb2

from chassis.auth import ScopeMissing, StudioForeign
from chassis.clock import FakeClock
from chassis.context import NOBODY, Principal
from chassis.errors import InvalidArgument, NotFound, Unauthenticated
from gateway import access
from gateway.backends import services
from gateway.owners import KnownOwners
from gateway.transcode.routes import Routes
from protos.catalog.v1 import catalog_pb2
from protos.incentives.v1 import campaign_pb2, incentives_pb2
from protos.matcher.v1 import matcher_pb2, review_pb2
from protos.metrics.v1 import report_pb2

ROUTES = Routes(services())


class Owners:
    def __init__(self) -> None:
        self.calls = 0

    async def studio_of_title(self, title_id: str) -> str:
        self.calls += 1
        return f"studio-of-{title_id}"

    async def studio_of_campaign(self, campaign_id: str) -> str:
        return f"studio-of-{campaign_id}"

    async def campaign_of_grant(self, grant_id: str) -> str:
        return f"campaign-of-{grant_id}"

    async def creator_of_video(self, video_id: str) -> str:
        return f"creator-of-{video_id}"


def test_every_method_that_is_served_is_in_the_table_and_every_rule_has_its_method() -> None:
    assert {route.name for route in ROUTES.all} == set(access.RULES)


def test_every_field_that_a_rule_names_exists() -> None:
    for route in ROUTES.all:
        rule = access.rule_of(route.name)
        for field in (rule.own_title, rule.own_titles, rule.own_campaign, rule.own_grant, rule.own_video):
            assert not field or field.split(".")[0] in route.method.input_type.fields_by_name, route.name


def test_a_method_nobody_thought_of_is_the_administrators() -> None:
    with pytest.raises(ScopeMissing):
        access.require_scope(Principal.of("x", ["hub.read"]), access.rule_of("new.Service.Method"))
    access.require_scope(Principal.of("x", ["policy.admin"]), access.rule_of("new.Service.Method"))


def test_nobody_is_asked_to_say_who_they_are() -> None:
    with pytest.raises(Unauthenticated):
        access.require_scope(NOBODY, access.rule_of("spotlight.hub.v1.HubService.GetHub"))


def test_a_reviewer_is_written_into_the_request_and_an_admin_may_name_one() -> None:
    request = review_pb2.DecideReviewTaskRequest()
    access.fill_identity(Principal.of("ann", ["reviewer"]), request)
    assert request.reviewer_id == "ann"
    with pytest.raises(access.IdentityMismatch):
        access.fill_identity(Principal.of("bob", ["reviewer"]), request)
    access.fill_identity(Principal.of("root", ["policy.admin"]), request)
    assert request.reviewer_id == "ann"


def test_a_person_of_several_studios_says_for_which_one() -> None:
    both = Principal.of("ann", ["studio:a", "studio:b"])
    request = report_pb2.GetTitleReportRequest(title_id="t")
    with pytest.raises(InvalidArgument) as caught:
        access.fill_identity(both, request)
    assert caught.value.violations[0].field == "studio_id"
    request.studio_id = "b"
    access.fill_identity(both, request)
    request.studio_id = "c"
    with pytest.raises(StudioForeign):
        access.fill_identity(both, request)


@pytest.mark.parametrize(
    ("method", "request_", "studio"),
    [
        ("matcher.v1.MatcherService.ListTitleVideos", matcher_pb2.ListTitleVideosRequest(title_id="t"), "studio-of-t"),
        (
            "incentives.v1.IncentivesService.ListLedger",
            incentives_pb2.ListLedgerRequest(campaign_id="c"),
            "studio-of-c",
        ),
        (
            "incentives.v1.IncentivesService.RevokeGrant",
            incentives_pb2.RevokeGrantRequest(grant_id="g"),
            "studio-of-campaign-of-g",
        ),
    ],
)
async def test_a_studio_reaches_what_is_its_own(method: str, request_: object, studio: str) -> None:
    name = f"spotlight.{method}"
    await access.confine(Principal.of("x", [f"studio:{studio}"]), name, request_, Owners())
    await access.confine(Principal.of("x", ["policy.admin"]), name, request_, Owners())
    with pytest.raises(StudioForeign):
        await access.confine(Principal.of("x", ["studio:other"]), name, request_, Owners())
    with pytest.raises(StudioForeign):
        await access.confine(Principal.of("x", ["studio:"]), name, type(request_)(), Owners())


async def test_a_studio_changes_some_fields_of_its_own_titles() -> None:
    name, studio = "spotlight.catalog.v1.CatalogService.UpdateTitle", Principal.of("x", ["studio:studio-of-t"])

    def an_update(title_id: str, *paths: str) -> catalog_pb2.UpdateTitleRequest:
        return catalog_pb2.UpdateTitleRequest(
            title=catalog_pb2.Title(id=title_id), update_mask=field_mask_pb2.FieldMask(paths=paths)
        )

    await access.confine(studio, name, an_update("t", "watch_offers"), Owners())
    for paths in ((), ("*",), ("title",), ("watch_offers", "state")):
        with pytest.raises(access.FieldForeign):
            await access.confine(studio, name, an_update("t", *paths), Owners())
    with pytest.raises(StudioForeign):
        await access.confine(studio, name, an_update("u", "watch_offers"), Owners())
    editor = Principal.of("x", ["studio:a", "catalog.write"])
    await access.confine(editor, name, an_update("u", "title"), Owners())


@pytest.mark.parametrize("message", ["CreateCampaignRequest", "UpdateCampaignRequest"])
async def test_a_campaign_is_about_no_title_of_another_studio(message: str) -> None:
    class Catalog(Owners):
        async def studio_of_title(self, title_id: str) -> str:
            if title_id == "new":
                raise NotFound
            return {"free": ""}.get(title_id, f"studio-of-{title_id}")

    def about(*title_ids: str) -> object:
        request = getattr(incentives_pb2, message)(campaign=campaign_pb2.Campaign(title_ids=title_ids))
        if message == "UpdateCampaignRequest":
            request.campaign_id = "t"
        return request

    name = f"spotlight.incentives.v1.IncentivesService.{message.removesuffix('Request')}"
    studio = Principal.of("x", ["studio:studio-of-t"])
    for allowed in ((), ("t",), ("t", "free", "new")):
        await access.confine(studio, name, about(*allowed), Catalog())
    with pytest.raises(StudioForeign):
        await access.confine(studio, name, about("t", "other"), Catalog())
    await access.confine(Principal.of("x", ["policy.admin"]), name, about("t", "other"), Catalog())


async def test_a_list_over_all_campaigns_is_not_a_studios() -> None:
    request = incentives_pb2.ListGrantsRequest(creator_id="c")
    with pytest.raises(StudioForeign):
        await access.confine(
            Principal.of("x", ["studio:a"]), "spotlight.incentives.v1.IncentivesService.ListGrants", request, Owners()
        )


async def test_a_creator_sees_reasons_for_their_own_videos() -> None:
    name = "spotlight.matcher.v1.MatcherService.GetVideo"
    request = matcher_pb2.GetVideoRequest(video_id="v")
    await access.confine(Principal.of("creator-of-v", ["creator"]), name, request, Owners())
    await access.confine(Principal.of("anyone", ["hub.read"]), name, request, Owners())
    with pytest.raises(access.VideoForeign):
        await access.confine(Principal.of("someone", ["creator"]), name, request, Owners())


async def test_owners_are_remembered_shortly() -> None:
    clock, owners = FakeClock(), Owners()
    known = KnownOwners(owners, clock=clock)
    for _ in range(3):
        assert await known.studio_of_title("t") == "studio-of-t"
    assert owners.calls == 1
    clock.advance(31)
    await known.studio_of_title("t")
    assert owners.calls == 2
    assert await known.creator_of_video("t") == "creator-of-t"

"""Stand-ins with something to look at: a queue of doubtful matches, and two weeks of a title's numbers."""

# ruff: noqa: N802 - gRPC names its methods

import itertools
import math
import random
import time
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import Aborted, NotFound
from protos.catalog.v1 import catalog_pb2
from protos.incentives.v1 import campaign_pb2, incentives_pb2, participation_pb2
from protos.matcher.v1 import matcher_pb2, review_pb2, review_pb2_grpc
from protos.metrics.v1 import event_pb2, insight_pb2, report_pb2
from tests.gateway_world import STUDIO, CatalogStandIn, IncentivesStandIn, MatcherStandIn, MetricsStandIn
from tests.pictures import a_scene, jpeg_of

CAPTION = "Rewatching 27 Dresses for the tenth time and Jane still deserves better. <b>Fight me.</b>"


def at(seconds_from_now: float) -> Timestamp:
    return Timestamp(seconds=int(time.time() + seconds_from_now))


def a_video(video_id: str, creator_id: str = "creator-1") -> matcher_pb2.Video:
    creator = matcher_pb2.Creator(id=creator_id, username="ana.films", follower_count=18_400, is_verified=True)
    return matcher_pb2.Video(
        id=video_id,
        creator=creator,
        video_description=CAPTION,
        hashtag_names=["27dresses", "romcom", "fyp"],
        voice_to_text="always a bridesmaid",
        ocr_text=["27 DRESSES"],
        sound=matcher_pb2.Sound(title="Bennie and the Jets", author="Elton John"),
        view_count=48_210,
        like_count=5_120,
        duration=21,
        language="en",
        region_code="US",
        create_time=int(time.time()) - 86_400,
    )


def a_match(match_id: str, video_id: str, title_id: str = "dune") -> matcher_pb2.Match:
    def span(field: str, index: int, start: int, end: int) -> matcher_pb2.Span:
        return matcher_pb2.Span(field=field, index=index, start=start, end=end)

    evidence = [
        matcher_pb2.Evidence(
            signal_type=matcher_pb2.SIGNAL_TYPE_TITLE,
            value="27 Dresses",
            span=span("video_description", 0, 11, 21),
            contribution=2.4,
        ),
        matcher_pb2.Evidence(
            signal_type=matcher_pb2.SIGNAL_TYPE_HASHTAG,
            value="27dresses",
            span=span("hashtag_names", 0, 0, 9),
            contribution=1.9,
        ),
        matcher_pb2.Evidence(
            signal_type=matcher_pb2.SIGNAL_TYPE_CHARACTER,
            value="Jane",
            span=span("video_description", 0, CAPTION.index("Jane"), CAPTION.index("Jane") + 4),
            contribution=-0.4,
        ),
        matcher_pb2.Evidence(
            signal_type=matcher_pb2.SIGNAL_TYPE_VISUAL,
            value="embedding full",
            reference_id="still-1",
            distance=0.31,
            contribution=0.8,
            segment=matcher_pb2.Segment(start_ms=3200, end_ms=3700),
        ),
        matcher_pb2.Evidence(
            signal_type=matcher_pb2.SIGNAL_TYPE_VISUAL,
            value="geometry full",
            reference_id="still-1",
            distance=1 / 25,
            contribution=6.0,
            segment=matcher_pb2.Segment(start_ms=3200, end_ms=3700),
        ),
        matcher_pb2.Evidence(signal_type=matcher_pb2.SIGNAL_TYPE_PRIOR, value="bias", contribution=-4.2),
    ]
    return matcher_pb2.Match(
        id=match_id,
        video_id=video_id,
        title_id=title_id,
        state=matcher_pb2.MATCH_STATE_IN_REVIEW,
        probability=0.62,
        evidence=evidence,
        runner_ups=[matcher_pb2.RunnerUp(title_id="other", probability=0.11, separated_by=["hashtag"])],
        margin=0.51,
        model_version="m1",
        policy_version="7",
        decided_by="policy",
    )


class DeskMatcher(MatcherStandIn):
    async def GetMatch(self, request: Any, context: Any) -> matcher_pb2.Match:
        return a_match(request.match_id, "v1")

    async def ListFramePictures(self, request: Any, context: Any) -> matcher_pb2.ListFramePicturesResponse:
        frame = matcher_pb2.FramePicture(t_ms=3200, picture=jpeg_of(a_scene(1, 160, 90)[:, ::-1]))
        return matcher_pb2.ListFramePicturesResponse(pictures=[frame])


class DeskCatalog(CatalogStandIn):
    async def ListReferenceImages(self, request: Any, context: Any) -> catalog_pb2.ListReferenceImagesResponse:
        image = catalog_pb2.ReferenceImage(
            id="still-1", title_id=request.title_id, kind=catalog_pb2.REFERENCE_IMAGE_KIND_STILL
        )
        return catalog_pb2.ListReferenceImagesResponse(images=[image])

    async def BatchGetReferencePictures(
        self, request: Any, context: Any
    ) -> catalog_pb2.BatchGetReferencePicturesResponse:
        found = [
            catalog_pb2.ReferencePicture(id=name, title_id="dune", picture=jpeg_of(a_scene(1, 320, 180)))
            for name in request.ids
        ]
        return catalog_pb2.BatchGetReferencePicturesResponse(pictures=found)


class DeskReview(review_pb2_grpc.ReviewServiceServicer):
    """Leases with fencing tokens, as reviewers meet them; everything in memory."""

    def __init__(self, task_count: int = 5) -> None:
        self._token = itertools.count(1)
        self.votes: list[review_pb2.DecideReviewTaskRequest] = []
        self.appeals = [
            review_pb2.Appeal(
                id="appeal-1",
                match_id="m1",
                video_id="v1",
                title_id="dune",
                creator_id="creator-1",
                text="The whole video is about it.",
                state=review_pb2.APPEAL_STATE_OPEN,
                sla_deadline_time=at(86_400),
            )
        ]
        self.answers: list[review_pb2.DecideAppealRequest] = []
        self.filed: list[review_pb2.FileAppealRequest] = []
        names = ("27 Dresses", "It", "Up", "Her", "Us", "Them", "Ray")
        self.tasks = {
            f"task-{number}": review_pb2.ReviewTask(
                id=f"task-{number}",
                match_id=f"match-{number}",
                state=review_pb2.REVIEW_TASK_STATE_OPEN,
                title_id="dune",
                title_name=names[number % len(names)],
                video_id=f"v{number}",
                language="en",
                media_type="movie",
                studio_id=STUDIO,
                sla_deadline_time=at(3600 * (number + 2)),
                required_votes=1,
                match=a_match(f"match-{number}", f"v{number}"),
                video=a_video(f"v{number}"),
                candidates=[a_match(f"match-{number}", f"v{number}"), a_match("other-match", f"v{number}", "other")],
                policy_text="A video is about a title when a viewer who knows it would say so.",
            )
            for number in range(task_count)
        }

    def _lease(self, task: review_pb2.ReviewTask, reviewer_id: str) -> review_pb2.ReviewTask:
        task.state = review_pb2.REVIEW_TASK_STATE_LEASED
        lease = review_pb2.Lease(holder=reviewer_id, token=next(self._token), expire_time=at(120))
        task.lease.CopyFrom(lease)
        return task

    async def ListReviewTasks(self, request: Any, context: Any) -> review_pb2.ListReviewTasksResponse:
        waiting = (review_pb2.REVIEW_TASK_STATE_OPEN, review_pb2.REVIEW_TASK_STATE_LEASED)
        tasks = [task for task in self.tasks.values() if task.state in waiting]
        return review_pb2.ListReviewTasksResponse(tasks=tasks)

    async def GetReviewTask(self, request: Any, context: Any) -> review_pb2.ReviewTask:
        if request.task_id not in self.tasks:
            raise NotFound(reason="TASK_NOT_FOUND")
        return self.tasks[request.task_id]

    async def LeaseReviewTask(self, request: Any, context: Any) -> review_pb2.ReviewTask:
        if request.task_id:
            return self._lease(self.tasks[request.task_id], request.reviewer_id)
        for task in self.tasks.values():
            if task.state == review_pb2.REVIEW_TASK_STATE_OPEN:
                return self._lease(task, request.reviewer_id)
        raise NotFound(reason="NO_TASK")

    def _held(self, request: Any) -> review_pb2.ReviewTask:
        task = self.tasks[request.task_id]
        if (task.lease.holder, task.lease.token) != (request.reviewer_id, request.lease_token):
            raise Aborted(reason="LEASE_LOST")
        return task

    async def RenewLease(self, request: Any, context: Any) -> review_pb2.ReviewTask:
        task = self._held(request)
        task.lease.expire_time.CopyFrom(at(120))
        return task

    async def ReleaseLease(self, request: Any, context: Any) -> review_pb2.ReviewTask:
        task = self._held(request)
        task.state = review_pb2.REVIEW_TASK_STATE_OPEN
        task.ClearField("lease")
        return task

    async def DecideReviewTask(self, request: Any, context: Any) -> review_pb2.DecideReviewTaskResponse:
        task = self._held(request)
        self.votes.append(request)
        task.state = review_pb2.REVIEW_TASK_STATE_DECIDED
        return review_pb2.DecideReviewTaskResponse(task=task)

    async def ListDecisions(self, request: Any, context: Any) -> review_pb2.ListDecisionsResponse:
        vote = review_pb2.Vote(reviewer_id="reviewer-9", verdict=review_pb2.VERDICT_REJECT, vote_time=at(-600))
        decisions = [] if request.decided_by else [review_pb2.Decision(id="d1", vote=vote)]
        return review_pb2.ListDecisionsResponse(decisions=decisions)

    async def GetReviewStats(self, request: Any, context: Any) -> review_pb2.ReviewStats:
        states = [task.state for task in self.tasks.values()]
        return review_pb2.ReviewStats(
            open_count=states.count(review_pb2.REVIEW_TASK_STATE_OPEN),
            leased_count=states.count(review_pb2.REVIEW_TASK_STATE_LEASED),
            decided_count=states.count(review_pb2.REVIEW_TASK_STATE_DECIDED),
            at_risk_count=1,
            open_appeal_count=len(self.appeals),
        )

    async def ListAppeals(self, request: Any, context: Any) -> review_pb2.ListAppealsResponse:
        return review_pb2.ListAppealsResponse(appeals=self.appeals)

    async def DecideAppeal(self, request: Any, context: Any) -> review_pb2.Appeal:
        self.answers.append(request)
        return self.appeals.pop()

    async def FileAppeal(self, request: Any, context: Any) -> review_pb2.Appeal:
        self.filed.append(request)
        return review_pb2.Appeal(id="filed", video_id=request.video_id)


class DeskMetrics(MetricsStandIn):
    """Two weeks by the hour, with a spike and something to do."""

    def __init__(self) -> None:
        super().__init__()
        self.decisions: list[Any] = []

    async def GetTitleReport(self, request: Any, context: Any) -> report_pb2.GetTitleReportResponse:
        chance, now = random.Random(3), int(time.time()) // 3600 * 3600
        rows = []
        for hour in range(24 * 14, 0, -1):
            level = 60 + 40 * math.sin((hour % 24) / 24 * 2 * math.pi)
            level *= 6 if 60 <= hour <= 66 else 1
            for event_type, share in ((7, 1.0), (3, 0.3), (2, 0.25)):
                row = report_pb2.ReportRow(
                    start_time=Timestamp(seconds=now - hour * 3600),
                    event_type=event_pb2.EventType.ValueType(event_type),
                    event_count=int(level * share * chance.uniform(0.8, 1.2)),
                    is_suppressed=hour == 200,
                )
                rows.append(row)
        totals = [
            report_pb2.Tally(event_type=event_pb2.EventType.ValueType(kind), event_count=count, viewer_count=count // 3)
            for kind, count in ((7, 24_310), (2, 5_812), (3, 6_120), (5, 902))
        ]
        comparisons = [
            report_pb2.Comparison(
                event_type=event_pb2.EventType.ValueType(kind),
                previous_event_count=before,
                change=change,
                percentile=percentile,
                kind_title_count=320,
            )
            for kind, before, change, percentile in ((7, 19_600, 0.24, 91), (3, 6_650, -0.08, 70), (5, 0, 0.0, 60))
        ]
        return report_pb2.GetTitleReportResponse(
            title_id=request.title_id,
            title="27 Dresses",
            rows=rows,
            totals=totals,
            comparisons=comparisons,
            as_of_time=at(-4),
            is_thresholded=True,
            suppressed_rows=3,
            viewers_min=10,
            error_bound=0.032,
            nonhuman_event_count=512,
        )

    async def GetStudioReport(self, request: Any, context: Any) -> report_pb2.GetStudioReportResponse:
        titles = [
            report_pb2.TitleSummary(
                title_id="dune",
                title="27 Dresses",
                view_count=24_310,
                click_count=5_812,
                hub_view_count=6_120,
                viewer_count=8_103,
                change=0.24,
                trending_position=4,
                spike_count=1,
                open_insight_count=1,
            ),
            report_pb2.TitleSummary(title_id="other", title="A quiet one", is_suppressed=True),
        ]
        return report_pb2.GetStudioReportResponse(titles=titles, total_size=2, as_of_time=at(-4))

    async def GetFunnel(self, request: Any, context: Any) -> report_pb2.GetFunnelResponse:
        counts, steps = (24_310, 5_812, 6_120, 902, 320, 0), []
        for kind, count in zip((1, 2, 3, 5, 6, 13), counts, strict=True):
            before = steps[-1].event_count if steps else count
            rate = count / before if before else 0
            step = report_pb2.FunnelStep(
                event_type=event_pb2.EventType.ValueType(kind),
                event_count=count,
                rate=rate,
                rate_lower=rate * 0.97,
                rate_upper=rate * 1.03,
                rate_from_start=count / counts[0],
                is_suppressed=not count,
            )
            steps.append(step)
        return report_pb2.GetFunnelResponse(steps=steps)

    async def GetGeography(self, request: Any, context: Any) -> report_pb2.GetGeographyResponse:
        regions = [
            report_pb2.RegionRow(
                viewer_region=code,
                event_count=count,
                share=count / 40_000,
                click_rate=0.21,
                has_watch_offer=code != "BR",
            )
            for code, count in (("US", 18_700), ("GB", 9_930), ("BR", 5_860), ("ZZ", 640))
        ]
        regions.append(report_pb2.RegionRow(viewer_region="IS", is_suppressed=True))
        return report_pb2.GetGeographyResponse(regions=regions)

    async def ListTopVideos(self, request: Any, context: Any) -> report_pb2.ListTopVideosResponse:
        videos = [
            report_pb2.TopVideo(video_id=f"v{n}", creator_id="creator-1", view_count=9000 // n) for n in (1, 2, 3)
        ]
        return report_pb2.ListTopVideosResponse(videos=videos)

    async def ListTopCreators(self, request: Any, context: Any) -> report_pb2.ListTopCreatorsResponse:
        creators = [
            report_pb2.TopCreator(
                creator_id=f"creator-{n}",
                view_count=9000 // n,
                previous_view_count=800,
                view_share=0.3 / n,
                is_rising=n == 1,
            )
            for n in (1, 2)
        ]
        return report_pb2.ListTopCreatorsResponse(creators=creators)

    async def ListSpikes(self, request: Any, context: Any) -> insight_pb2.ListSpikesResponse:
        parts = [
            insight_pb2.Contribution(kind=insight_pb2.CONTRIBUTOR_KIND_VIDEO, name="v1", share=0.62),
            insight_pb2.Contribution(kind=insight_pb2.CONTRIBUTOR_KIND_REGION, name="US", share=0.4),
        ]
        fact = insight_pb2.SpikeEvidence(
            code="days_to_release",
            value=0.4,
            threshold=2.0,
            cause=insight_pb2.SPIKE_CAUSE_RELEASE,
            description="The nearest release is 0.4 days away.",
        )
        silent = insight_pb2.SpikeEvidence(
            code="bot_share", threshold=0.3, cause=insight_pb2.SPIKE_CAUSE_SUSPICIOUS, description="0 % bots."
        )
        spike = insight_pb2.Spike(
            id="s1",
            event_type=event_pb2.EVENT_TYPE_VIDEO_VIEW,
            start_time=at(-66 * 3600),
            end_time=at(-60 * 3600),
            event_count=2400,
            expected_count=410,
            score=7.4,
            cause=insight_pb2.SPIKE_CAUSE_RELEASE,
            contributions=parts,
            evidence=[silent, fact],
        )
        return insight_pb2.ListSpikesResponse(spikes=[spike])

    async def ListInsights(self, request: Any, context: Any) -> insight_pb2.ListInsightsResponse:
        draft = insight_pb2.Draft(
            http_method="POST",
            http_path="/v1/campaigns",
            body_json='{"campaign":{"display_name":"Dresses"}}',
            label="Open a campaign",
        )
        state = insight_pb2.INSIGHT_STATE_ACCEPTED if self.decisions else insight_pb2.INSIGHT_STATE_OPEN
        insight = insight_pb2.Insight(
            id="i1",
            title_id="dune",
            studio_id=STUDIO,
            kind=insight_pb2.INSIGHT_KIND_OPEN_CAMPAIGN,
            state=state,
            observation="Views grew 24 % in seven days, most of it from three creators.",
            reason="Campaigns opened while velocity climbs hold it longer.",
            action="Open a campaign before the anniversary",
            draft=draft,
            etag="e1",
        )
        return insight_pb2.ListInsightsResponse(insights=[insight])

    async def DecideInsight(self, request: Any, context: Any) -> insight_pb2.Insight:
        self.decisions.append(request)
        return insight_pb2.Insight(id=request.insight_id)


class DeskIncentives(IncentivesStandIn):
    async def ListCampaigns(self, request: Any, context: Any) -> incentives_pb2.ListCampaignsResponse:
        return incentives_pb2.ListCampaignsResponse(campaigns=self.campaigns.values())

    async def ClaimReward(self, request: Any, context: Any) -> participation_pb2.Grant:
        self.requests.append(request)
        return participation_pb2.Grant(id="g1", creator_id=request.creator_id)

    async def GetProgress(self, request: Any, context: Any) -> incentives_pb2.GetProgressResponse:
        task = participation_pb2.TaskProgress(
            task_id="t", display_name="Three videos", current=2, target=3, missing="1 more approved video"
        )
        rewards = [
            participation_pb2.RewardProgress(
                reward_id="frame", display_name="Gold frame", standing=participation_pb2.REWARD_STANDING_CLAIMABLE
            ),
            participation_pb2.RewardProgress(
                reward_id="ticket", display_name="Premiere ticket", standing=participation_pb2.REWARD_STANDING_LOCKED
            ),
        ]
        progress = participation_pb2.Progress(
            campaign_id="c1",
            campaign_display_name="Dress up",
            campaign_state=campaign_pb2.CAMPAIGN_STATE_ACTIVE,
            creator_id=request.creator_id,
            tasks=[task],
            rewards=rewards,
            summary="One more approved video and the set is complete.",
        )
        return incentives_pb2.GetProgressResponse(progress=[progress])


def a_rich_title() -> dict[str, Any]:
    """Fields of a title that fill every part of its page."""
    offer = catalog_pb2.OfferType
    return {
        "title": "27 Dresses",
        "media_type": catalog_pb2.MEDIA_TYPE_MOVIE,
        "year": 2008,
        "runtime": 111,
        "tagline": "Always a bridesmaid. Never a bride.",
        "overview": "Jane has been a bridesmaid twenty-seven times, and keeps the dresses to prove it. " * 2,
        "genres": ["Comedy", "Romance"],
        "hashtags": [catalog_pb2.Hashtag(name="27dresses", official=True)],
        "vote_average": 6.4,
        "vote_count": 3120,
        "credits": catalog_pb2.Credits(
            cast=[
                catalog_pb2.CastMember(name=name, character="Someone", order=n)
                for n, name in enumerate(("Ana Bell", "Bo"))
            ]
        ),
        "official_accounts": [
            catalog_pb2.OfficialAccount(platform="instagram", username="27dresses", url="https://instagram.com/x"),
            catalog_pb2.OfficialAccount(platform="other", username="evil", url="javascript://alert(1)"),
        ],
        "watch_offers": [
            catalog_pb2.WatchOffer(
                id=f"o{number}",
                provider_id=f"p{number}",
                provider_name=name,
                offer_type=kind,
                iso_3166_1="US",
                price="3.99" if kind == offer.Value("OFFER_TYPE_RENT") else "",
                currency="USD",
                links=catalog_pb2.OfferLinks(web_url=f"https://example.com/{number}"),
            )
            for number, (name, kind) in enumerate((("Plus", 1), ("Tube", 3), ("Store", 4), ("Cinema", 6)))
        ],
        "attributions": [
            catalog_pb2.Attribution(url="https://en.wikipedia.org/wiki/27_Dresses", licence="CC BY-SA 4.0")
        ],
    }

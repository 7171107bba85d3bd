"""Every way in which incentives says no: the docstring is the message, `reason` what callers branch on.

SpotlightError
├── NotFound              CampaignNotFound, RewardNotFound, EnrolmentNotFound, SubmissionNotFound, GrantNotFound,
│                         TeamNotFound
├── InvalidArgument       CampaignInvalid, FieldImmutable, PeriodInvalid, TeamRequired
├── FailedPrecondition    CampaignIncomplete, CampaignClosed, CampaignNotDraft, CampaignNotActive, ActNotAllowed,
│                         StockCannotShrink, NotEligible, TeamFixed, VideoOfAnotherCreator, ClaimsClosed,
│                         RewardOfAnotherTeam, RewardLocked, ReservationExpired, GrantHeld, GrantNotHeld,
│                         ShippingNotAllowed, RewardNotTicket, CodeKeyMissing
├── AlreadyExists         AlreadyClaimed
├── Aborted               EtagMismatch
├── ResourceExhausted     SoldOut, WaitlistFull, CreatorLimitReached, CampaignLimitReached, EnrolmentsFull,
│                         SubmissionsTooMany, CodesTooMany, TooManyClaims
└── DataLoss              CodeUnreadable
"""

from chassis.errors import (
    Aborted,
    AlreadyExists,
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
)


class CampaignNotFound(NotFound):
    """This campaign does not exist."""

    reason = "CAMPAIGN_NOT_FOUND"


class RewardNotFound(NotFound):
    """The campaign has no such reward."""

    reason = "REWARD_NOT_FOUND"


class EnrolmentNotFound(NotFound):
    """The creator has not joined this campaign."""

    reason = "ENROLMENT_NOT_FOUND"


class SubmissionNotFound(NotFound):
    """This video is not in the campaign."""

    reason = "SUBMISSION_NOT_FOUND"


class GrantNotFound(NotFound):
    """This grant does not exist."""

    reason = "GRANT_NOT_FOUND"


class TeamNotFound(NotFound):
    """The campaign has no such team."""

    reason = "TEAM_NOT_FOUND"


class CampaignInvalid(InvalidArgument):
    """The campaign contradicts itself: see the fields."""

    reason = "CAMPAIGN_INVALID"


class FieldImmutable(InvalidArgument):
    """This field cannot be changed, or not any more."""

    reason = "FIELD_IMMUTABLE"


class PeriodInvalid(InvalidArgument):
    """The period must start before it ends, lie in the past and be at most 366 days long."""

    reason = "PERIOD_INVALID"


class TeamRequired(InvalidArgument):
    """This campaign has teams: choose one."""

    reason = "TEAM_REQUIRED"


class CampaignIncomplete(FailedPrecondition):
    """The campaign lacks what it needs to be scheduled: see the fields."""

    reason = "CAMPAIGN_INCOMPLETE"


class CampaignClosed(FailedPrecondition):
    """The campaign is over and cannot be changed."""

    reason = "CAMPAIGN_CLOSED"


class CampaignNotDraft(FailedPrecondition):
    """Only a draft can be deleted; archive the campaign instead."""

    reason = "CAMPAIGN_NOT_DRAFT"


class CampaignNotActive(FailedPrecondition):
    """The campaign is not running at the moment."""

    reason = "CAMPAIGN_NOT_ACTIVE"


class ActNotAllowed(FailedPrecondition):
    """Its present state does not allow this act."""

    reason = "ACT_NOT_ALLOWED"


class StockCannotShrink(FailedPrecondition):
    """The stock of a campaign that was scheduled can grow, and cannot shrink."""

    reason = "STOCK_CANNOT_SHRINK"


class NotEligible(FailedPrecondition):
    """The campaign's rules exclude this creator: see each reason."""

    reason = "NOT_ELIGIBLE"


class TeamFixed(FailedPrecondition):
    """The creator has claimed a reward already: the team stays."""

    reason = "TEAM_FIXED"


class VideoOfAnotherCreator(FailedPrecondition):
    """This video was made by somebody else."""

    reason = "VIDEO_OF_ANOTHER_CREATOR"


class ClaimsClosed(FailedPrecondition):
    """Rewards of this campaign cannot be claimed at the moment."""

    reason = "CLAIMS_CLOSED"


class RewardOfAnotherTeam(FailedPrecondition):
    """This reward belongs to another team."""

    reason = "REWARD_OF_ANOTHER_TEAM"


class RewardLocked(FailedPrecondition):
    """The tasks for this reward are not done yet."""

    reason = "REWARD_LOCKED"


class ReservationExpired(FailedPrecondition):
    """The reservation ended before it was redeemed; its unit went back to stock."""

    reason = "RESERVATION_EXPIRED"


class GrantHeld(FailedPrecondition):
    """The grant is held: nothing is handed over until its holds are released."""

    reason = "GRANT_HELD"


class GrantNotHeld(FailedPrecondition):
    """The grant has no hold a person could release."""

    reason = "GRANT_NOT_HELD"


class ShippingNotAllowed(FailedPrecondition):
    """The parcel cannot go from where it is to there."""

    reason = "SHIPPING_NOT_ALLOWED"


class RewardNotTicket(FailedPrecondition):
    """Only ticket rewards have a pool of codes."""

    reason = "REWARD_NOT_TICKET"


class CodeKeyMissing(FailedPrecondition):
    """This server has no key to encrypt codes with."""

    reason = "CODE_KEY_MISSING"


class AlreadyClaimed(AlreadyExists):
    """The creator has this reward already."""

    reason = "ALREADY_CLAIMED"


class EtagMismatch(Aborted):
    """It was changed by somebody else meanwhile: read it again."""

    reason = "ETAG_MISMATCH"


class SoldOut(ResourceExhausted):
    """No unit of this reward is left."""

    reason = "SOLD_OUT"


class WaitlistFull(ResourceExhausted):
    """No unit of this reward is left, and its waitlist is full."""

    reason = "WAITLIST_FULL"


class CreatorLimitReached(ResourceExhausted):
    """The creator has as many rewards of this campaign as one creator gets."""

    reason = "CREATOR_LIMIT_REACHED"


class CampaignLimitReached(ResourceExhausted):
    """The campaign has given as many rewards as it gives in all."""

    reason = "CAMPAIGN_LIMIT_REACHED"


class EnrolmentsFull(ResourceExhausted):
    """The campaign has as many creators as it takes."""

    reason = "ENROLMENTS_FULL"


class SubmissionsTooMany(ResourceExhausted):
    """The creator has as many videos in this campaign as one creator can have."""

    reason = "SUBMISSIONS_TOO_MANY"


class CodesTooMany(ResourceExhausted):
    """The pool takes at most 100,000 codes."""

    reason = "CODES_TOO_MANY"


class CodeUnreadable(DataLoss):
    """The stored code cannot be decrypted with this server's key."""

    reason = "CODE_UNREADABLE"


class TooManyClaims(ResourceExhausted):
    """Too many claims for this reward wait at the moment: try again shortly."""

    reason = "TOO_MANY_CLAIMS"

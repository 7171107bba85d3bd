"""Numbers worth a try, sealed codes, ledger rows, documents, settings, and that there is no money anywhere."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st

from chassis.config import ConfigError
from protos.incentives.v1 import campaign_pb2, incentives_pb2, participation_pb2
from services.incentives import campaigns as pure
from services.incentives.codes import CodeSafe, parse_key
from services.incentives.config import IncentivesSettings, code_keys
from services.incentives.domain import (
    Campaign,
    Creator,
    EligibilityRules,
    Limits,
    RequiredMatch,
    RevisionMark,
    Reward,
    RewardKind,
    StockCount,
    Task,
    TaskKind,
    TaskStep,
    Team,
    Terms,
)
from services.incentives.errors import CodeKeyMissing, CodeUnreadable
from services.incentives.ledger import balance, stock_rows
from services.incentives.stock import CHUNK, Pool
from services.incentives.store.documents import decode, encode
from services.incentives.wire import campaigns as wire
from services.incentives.wire import participation as part

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEY, OLD = bytes(range(32)), bytes(range(1, 33))


def test_a_pool_gives_each_number_once():
    pool = Pool()
    pool.add([1, 2, 3, 2])
    assert [pool.take() for _ in range(4)] == [1, 2, 3, None]
    pool.add([2])
    assert (pool.take(), pool.has_flying) == (None, True)
    pool.put_back(2)
    pool.put_back(2)
    assert (pool.take(), len(pool)) == (2, 0)
    pool.landed([1, 2, 3])
    assert not pool.has_flying


@given(st.sets(st.integers(1, 40)), st.integers(1, 40))
def test_holes_are_found_and_whole_ranges_are_remembered(used, total):
    pool = Pool()
    for chunk in pool.chunks(total):
        pool.searched(chunk, used)
    found = set(iter(pool.take, None))
    assert found == set(range(1, total + 1)) - used
    assert pool.whole_through == (0 if found else total)
    assert not list(pool.chunks(total)) or found


def test_a_large_stock_is_searched_in_pieces():
    pool = Pool()
    chunks = list(pool.chunks(CHUNK + 5))
    assert chunks == [(1, CHUNK), (CHUNK + 1, CHUNK + 5)]
    pool.searched(chunks[1], range(CHUNK + 1, CHUNK + 6))
    assert pool.whole_through == 0, "what lies before is not known yet"
    pool.searched(chunks[0], range(1, CHUNK + 1))
    assert pool.whole_through == CHUNK


def test_leases_are_a_share_of_the_stock_or_what_is_needed():
    assert [Pool().lease_size(1, total) for total in (1, 100, 10_000)] == [1, 6, 64]
    assert Pool().lease_size(90, 100) == 90


def test_a_returned_number_knows_who_gave_it_back():
    pool = Pool()
    pool.add_returned({4: "g4"})
    assert (pool.take(), pool.giver(4), pool.giver(4)) == (4, "g4", None)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=40), st.integers(1, 100_000))
def test_a_sealed_code_opens_in_its_own_place_only(code, number):
    safe = CodeSafe([KEY])
    sealed = safe.seal("c/r", number, code)
    assert code.encode() not in sealed.ciphertext
    assert safe.open("c/r", number, sealed) == code
    for key, place, other in ((safe, "c/r", number + 1), (safe, "c/q", number), (CodeSafe([OLD]), "c/r", number)):
        with pytest.raises(CodeUnreadable):
            key.open(place, other, sealed)
    assert safe.fingerprint("c/r", code) == sealed.fingerprint != safe.fingerprint("c/q", code)


def test_keys_can_be_changed():
    before = CodeSafe([OLD])
    sealed = before.seal("c/r", 1, "AAAA")
    after = CodeSafe([KEY, OLD])
    assert after.open("c/r", 1, sealed) == "AAAA"
    assert after.seal("c/r", 2, "BBBB").key_id != sealed.key_id
    assert after.fingerprint("c/r", "AAAA") == sealed.fingerprint
    with pytest.raises(CodeKeyMissing):
        CodeSafe([]).seal("c/r", 1, "AAAA")


def test_keys_are_read_in_three_forms_and_no_other():
    import base64

    assert parse_key(KEY) == parse_key(KEY.hex().encode()) == parse_key(base64.b64encode(KEY)) == KEY
    for wrong in (b"short", b"zz" * 32, KEY.hex().encode()[:-2], base64.b64encode(KEY[:-1])):
        with pytest.raises(ValueError, match="32 bytes"):
            parse_key(wrong)


def test_a_local_process_makes_its_key_once(tmp_path):
    path = tmp_path / "keys" / "codes.key"
    settings = IncentivesSettings(local=True, code_key_files=(path,))
    made = code_keys(settings)
    assert code_keys(settings) == made
    assert (path.stat().st_mode & 0o777) == 0o600
    with pytest.raises(ConfigError, match="cannot be read"):
        code_keys(IncentivesSettings(code_key_files=(tmp_path / "none",)))
    path.write_text("not a key")
    with pytest.raises(ConfigError, match="32 bytes"):
        code_keys(settings)


def test_processes_that_start_together_make_one_key(tmp_path):
    with ThreadPoolExecutor(8) as starting:
        for house in range(50):
            settings = IncentivesSettings(local=True, code_key_files=(tmp_path / str(house) / "codes.key",))
            assert len(set(starting.map(code_keys, [settings] * 8))) == 1
            assert [path.name for path in (tmp_path / str(house)).iterdir()] == ["codes.key"]


def test_stock_rows_are_the_differences_of_revisions():
    marks = [
        RevisionMark(
            revision=number,
            body_id=str(number),
            changed_paths=(),
            actor="ann",
            create_time=NOW,
            stock_counts=(StockCount(reward_id="r", count=count),),
        )
        for number, count in enumerate((10, 10, 25), start=1)
    ]
    campaign = Campaign(
        id="c", studio_id="s", terms=Terms(), create_time=NOW, update_time=NOW, revision=3, revisions=tuple(marks)
    )
    rows = list(stock_rows(campaign))
    assert [(row.movement.number, row.movement.stock_delta) for row in rows] == [(1, 10), (3, 15)]
    assert (balance(rows, "r"), balance(rows, "q")) == (25, 0)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
IDS = st.text("abcdef0123456789", min_size=1, max_size=8)
TIMES = st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000)
)
COUNTS = st.integers(0, 10**6)
ID_LISTS = st.lists(IDS, max_size=3).map(tuple)
RULES = st.builds(
    EligibilityRules,
    follower_count_min=COUNTS,
    follower_count_max=COUNTS,
    view_count_min=COUNTS,
    duration_min_s=COUNTS,
    duration_max_s=COUNTS,
    all_hashtag_names=ID_LISTS,
    any_hashtag_names=ID_LISTS,
    required_match=st.sampled_from(RequiredMatch),
    strike_score_max=st.none() | st.floats(0, 10),
    account_age_min_days=COUNTS,
    region_codes=ID_LISTS,
    made_for_kids_allowed=st.booleans(),
)
TERMS = st.builds(
    Terms,
    display_name=TEXT,
    description=TEXT,
    title_ids=ID_LISTS,
    region_codes=ID_LISTS,
    visible_time=TIMES,
    start_time=TIMES,
    end_time=TIMES,
    claim_end_time=TIMES,
    rules=RULES,
    tasks=st.lists(
        st.builds(
            Task,
            id=IDS,
            display_name=TEXT,
            kind=st.sampled_from(TaskKind),
            target=COUNTS,
            steps=st.lists(st.builds(TaskStep, week=st.integers(1, 9), target=COUNTS), max_size=2).map(tuple),
            title_ids=ID_LISTS,
        ),
        max_size=2,
    ).map(tuple),
    rewards=st.lists(
        st.builds(
            Reward,
            id=IDS,
            display_name=TEXT,
            kind=st.sampled_from(RewardKind),
            stock_count=COUNTS,
            is_unlimited=st.booleans(),
            per_creator_max=st.integers(1, 9),
            task_ids=ID_LISTS,
            waitlist_max=COUNTS,
            reservation_ttl_s=COUNTS,
            asset_uri=TEXT,
        ),
        max_size=2,
        unique_by=lambda reward: reward.id,  # two rewards of one id are refused before terms are kept
    ).map(tuple),
    teams=st.lists(st.builds(Team, id=IDS, display_name=TEXT, reward_ids=ID_LISTS), max_size=2).map(tuple),
    limits=st.builds(
        Limits,
        enrolments_max=COUNTS,
        rewards_per_creator_max=COUNTS,
        submissions_per_creator_max=COUNTS,
        grants_max=COUNTS,
    ),
    submission_review_required=st.booleans(),
)


@given(TERMS)
def test_campaigns_survive_the_wire_and_the_store(terms):
    message = campaign_pb2.Campaign.FromString(wire.terms_to_wire(terms).SerializeToString())
    assert wire.terms_from_wire(message) == terms
    assert decode(Terms, encode(terms)) == terms


@given(
    st.builds(
        Creator,
        id=IDS,
        follower_count=st.none() | COUNTS,
        region_code=TEXT,
        strike_score=st.none() | st.floats(0, 10),
        account_create_time=TIMES,
        identity_cluster_id=IDS,
    )
)
def test_creators_survive_the_wire(creator):
    message = participation_pb2.Creator.FromString(part.creator_to_wire(creator).SerializeToString())
    assert part.creator_from_wire(message) == creator


@given(TERMS, TERMS)
def test_who_joined_keeps_rules_and_tasks_and_sees_todays_window(joined, current):
    held = pure.kept(joined, current)
    assert (held.rules, held.tasks, held.limits) == (joined.rules, joined.tasks, joined.limits)
    assert (held.start_time, held.end_time, held.teams) == (current.start_time, current.end_time, current.teams)
    assert [each.stock_count for each in held.rewards] == [each.stock_count for each in current.rewards]
    assert pure.kept(current, current) == current


MONEY = re.compile(r"money|price|currency|amount|cash|payout|payment|fee|cost|dollar|euro|usd|wallet|balance_cents")


def _messages(descriptor):
    yield descriptor
    for nested in descriptor.nested_types:
        yield from _messages(nested)


def test_there_is_no_money_in_any_message():
    seen = 0
    for module in (campaign_pb2, participation_pb2, incentives_pb2):
        for top in module.DESCRIPTOR.message_types_by_name.values():
            for message in _messages(top):
                for field in message.fields:
                    seen += 1
                    assert not MONEY.search(field.name), field.full_name
                    if field.type == FieldDescriptor.TYPE_MESSAGE:
                        assert field.message_type.full_name != "google.type.Money"
        for enum in module.DESCRIPTOR.enum_types_by_name.values():
            assert not [value.name for value in enum.values if MONEY.search(value.name.lower())]
    assert seen > 200


def test_windows_that_contradict_themselves_are_named():
    def fields(**changes):
        return {each.field for each in pure.contradictions(Terms(**changes))}

    day = timedelta(days=1)
    assert fields(start_time=NOW, end_time=NOW) == {"end_time"}
    assert fields(start_time=NOW, end_time=NOW + 800 * day) == {"end_time"}
    assert fields(start_time=NOW, end_time=NOW + day, visible_time=NOW + day, claim_end_time=NOW) == {
        "visible_time",
        "claim_end_time",
    }
    assert fields(region_codes=("US",), rules=EligibilityRules(region_codes=("DE",))) == {"rules.region_codes"}
    late = Task(id="a", display_name="A", kind=TaskKind.VIDEOS, steps=(TaskStep(week=3, target=1),))
    assert fields(start_time=NOW, end_time=NOW + 14 * day, tasks=(late,)) == {"tasks[0].steps"}
    reward = Reward(id="r", display_name="R", kind=RewardKind.FILTER, is_unlimited=True, waitlist_max=2)
    assert fields(rewards=(reward,)) == {"rewards[0].stock_count"}


def test_a_running_campaign_loses_no_reward_and_no_team():
    rewards = tuple(Reward(id=each, display_name=each, kind=RewardKind.FILTER, stock_count=1) for each in "ab")
    before = Terms(rewards=rewards, teams=(Team(id="t", display_name="T", reward_ids=("a",)),), start_time=NOW)
    campaign = Campaign(id="c", studio_id="s", terms=before, create_time=NOW, update_time=NOW)
    for after in (Terms(rewards=rewards[:1], teams=before.teams), Terms(rewards=rewards), Terms(rewards=rewards, teams=(
        Team(id="t", display_name="T", reward_ids=("b",)),))):  # fmt: skip
        with pytest.raises(pure.FieldImmutable):
            pure.check_running_change(campaign, after)

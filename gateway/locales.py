"""Regions and languages: which codes exist, and which spelling of them is ours."""

import re

from chassis.errors import InvalidArgument, Violation

DEFAULT_REGION = "US"
DEFAULT_LANGUAGE = "en"

# ISO 3166-1 alpha-2, as of 2025.
REGIONS = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW
    BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI
    FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN
    IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME
    MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF
    PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV
    SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE
    YT ZA ZM ZW XK
    """.split()  # noqa: SIM905 - a list of codes reads best as one text
)

# ISO 639-1 (two letters); three-letter codes are taken as they come.
LANGUAGES = frozenset(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz
    ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik
    in io is it iu iw ja ji jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh
    mi mk ml mn mo mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru
    rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug
    uk ur uz ve vi vo wa wo xh yi yo za zh zu
    """.split()  # noqa: SIM905 - a list of codes reads best as one text
)

_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:-([A-Za-z]{4}))?(?:-([A-Za-z]{2}|[0-9]{3}))?(?:-[A-Za-z0-9]{4,8}){0,2}")


def region_of(code: str, *, field: str = "region") -> str:
    """A region that exists; empty means the default."""
    if not code:
        return DEFAULT_REGION
    if code not in REGIONS:
        raise InvalidArgument(violations=[Violation(field, "must be an ISO 3166-1 alpha-2 region")])
    return code


def language_of(tag: str, *, field: str = "language") -> str:
    """A BCP 47 tag reduced to language, script and region in their usual case; empty means the default."""
    if not tag:
        return DEFAULT_LANGUAGE
    found = _LANGUAGE.fullmatch(tag)
    primary = found[1].lower() if found else ""
    if found is None or (len(primary) == len("en") and primary not in LANGUAGES):
        raise InvalidArgument(violations=[Violation(field, "must be a BCP 47 language")])
    script = f"-{found[2].title()}" if found[2] else ""
    region = f"-{found[3].upper()}" if found[3] else ""
    return f"{primary}{script}{region}"


def primary_language(tag: str) -> str:
    """`pt` of `pt-BR`."""
    return tag.split("-", 1)[0].lower()


def region_of_language(tag: str) -> str:
    """`BR` of `pt-BR`, empty when the tag names none."""
    last = tag.rsplit("-", 1)[-1]
    return last if len(last) == len("BR") and last.isupper() and "-" in tag else ""

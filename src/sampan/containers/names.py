"""How is a container called, and which one does a user mean?

A name is chosen by the user, or made of an adjective and the surname of somebody who sailed, built ships, mapped seas
or understood them. A reference is a full id, a name (with or without the API's leading slash) or the unambiguous
beginning of an id, looked up in that order, as dockerd does.
"""

import re
import secrets
from collections.abc import Callable, Mapping

from sampan.errors import InvalidRequest, NotFound

NAME = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")
ID_LENGTH = 64
SHORT_ID_LENGTH = 12
TRIES = 8

_ADJECTIVES = """
able agile alert amber ample apt ardent astute attentive balmy bold bracing brave breezy bright brisk buoyant calm
candid careful cheerful civil clear clever cobalt composed constant cordial courtly crisp curious daring dashing
dauntless deft devoted diligent discreet distant eager earnest easygoing elated elegant even exact expert fabled
fair faithful famed fearless fervent festive fine fleet fluent fond forthright frank fresh friendly gallant gentle
genuine gifted glad golden graceful grand grateful hale handy happy hardy hearty honest hopeful humble inventive
jaunty jolly jovial joyful keen kind laughing learned lively loyal lucid lucky mellow merry mighty mindful modest
moonlit neat nimble noble observant open patient peaceful placid playful plucky poised polite prompt proud prudent
quick quiet radiant ready reliant resolute restful robust rugged sage salty sedate serene sharp sincere sleek smart
smooth sober spirited spry stalwart starry staunch steady stoic stout sturdy subtle sunny sure swift tactful
tenacious thoughtful tidy tireless tranquil trim trusty upbeat upright valiant versatile vigilant vivid warm wary
weathered willing windward wise witty worthy zealous
"""
ADJECTIVES = tuple(_ADJECTIVES.split())

_SURNAMES = """
alberti amundsen andree anning anson archimedes aristarchus baffin baker balboa barents baret bass battuta beaufort
beebe bellingshausen bering bernoulli bessel bingham blackwell bligh blyth bougainville bowditch boyle brendan
brunel burnell byrd cabot cabral cadamosto carpenter carson cartier chapman chichester clerke coles columbus cook
coriolis cousteau crozier dacosta dalrymple dampier darwin davis diaz dibdin drake dufresne dumont earle ekman
elcano ellet eratosthenes ericsson euler fitzroy flinders franklin frobisher fulton galileo gama gerbault gilbert
graham grimaldi halley hanno harrison hassler hawkins henson herschel heyerdahl hooke hopper howell hudson humboldt
huygens hyatt irving jeanneau joliet kepler kerguelen kircher krusenstern laperouse lavoisier lomonosov lovelace
luetke maclaurin magellan mahan malaspina marconi markham marsigli matthews maury mayer mcclintock mendana mercator
moitessier nansen nares nelson newcomen newton nobile nordenskiold norman ohm orellana ortelius parry pascal peary
peral perry phipps piccard plimsoll polo ponting ptolemy pytheas quiros rae ramage ross russell saavedra sacagawea
scoresby scott seacole selkirk shackleton siebe slocum smeaton snellius somerville stevin stokes strabo sumner
tasman tharp thomson torres torricelli tupaia urdaneta vancouver vasa verrazzano vespucci wallis watt weddell
wegener wilkes willoughby worsley xuxiake yonge zacuto zeno zhenghe
"""
SURNAMES = tuple(_SURNAMES.split())


def new_id() -> str:
    """A fresh container id: 64 hex digits, of which the first twelve are not all decimal.

    An id that reads as a number would be taken for one where the short id serves as a host name.
    """
    while True:
        identifier = secrets.token_hex(ID_LENGTH // 2)
        if not identifier[:SHORT_ID_LENGTH].isdecimal():
            return identifier


def check(name: str) -> str:
    """The name without its slash. Raises InvalidRequest with dockerd's sentence."""
    if not NAME.fullmatch(name):
        raise InvalidRequest(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return name.removeprefix("/")


def invent(is_taken: Callable[[str], bool], container_id: str) -> str:
    """A free name; after some bad luck one with a number behind it, at last the short id."""
    for attempt in range(TRIES):
        name = f"{secrets.choice(ADJECTIVES)}_{secrets.choice(SURNAMES)}"
        if attempt >= TRIES // 2:
            name += str(secrets.randbelow(100))
        if not is_taken(name):
            return name
    return container_id[:SHORT_ID_LENGTH]


def resolve(reference: str, ids_by_name: Mapping[str, str], ids: Mapping[str, object]) -> str:
    """The id that `reference` means. Raises NotFound, or InvalidRequest where a prefix is not enough."""
    if reference in ids:
        return reference
    named = ids_by_name.get(reference.removeprefix("/"))
    if named is not None:
        return named
    found = [identifier for identifier in ids if identifier.startswith(reference)] if reference else []
    if not found:
        raise NotFound(f"No such container: {reference}")
    if len(found) > 1:
        raise InvalidRequest(f"Multiple IDs found with provided prefix: {reference}")
    return found[0]

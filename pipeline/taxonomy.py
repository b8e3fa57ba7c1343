"""The categories of ShapeNetCore: WordNet synset ids and their names.

Version 1 has all 57 of them (Chang et al. 2015, "ShapeNet: An Information-Rich 3D Model
Repository"). Version 2 has 55: it has dropped bicycles (02834778), and counts boats (02858304) as
vessels.
"""

import difflib
import re
from collections.abc import Iterable

_NAMES = {
    "02691156": "airplane,aeroplane,plane",
    "02747177": "ashcan,trash can,garbage can,wastebin,ash bin,ashbin,dustbin,trash barrel,"
    "trash bin",
    "02773838": "bag,traveling bag,travelling bag,grip,suitcase",
    "02801938": "basket,handbasket",
    "02808440": "bathtub,bathing tub,bath,tub",
    "02818832": "bed",
    "02828884": "bench",
    "02834778": "bicycle,bike,wheel,cycle",
    "02843684": "birdhouse",
    "02858304": "boat",
    "02871439": "bookshelf",
    "02876657": "bottle",
    "02880940": "bowl",
    "02924116": "bus,autobus,coach,charabanc,double-decker,jitney,motorbus,motorcoach,omnibus,"
    "passenger vehicle",
    "02933112": "cabinet",
    "02942699": "camera,photographic camera",
    "02946921": "can,tin,tin can",
    "02954340": "cap",
    "02958343": "car,auto,automobile,machine,motorcar",
    "02992529": "cellular telephone,cellular phone,cellphone,cell,mobile phone",
    "03001627": "chair",
    "03046257": "clock",
    "03085013": "computer keyboard,keypad",
    "03207941": "dishwasher,dish washer,dishwashing machine",
    "03211117": "display,video display",
    "03261776": "earphone,earpiece,headphone,phone",
    "03325088": "faucet,spigot",
    "03337140": "file,file cabinet,filing cabinet",
    "03467517": "guitar",
    "03513137": "helmet",
    "03593526": "jar",
    "03624134": "knife",
    "03636649": "lamp",
    "03642806": "laptop,laptop computer",
    "03691459": "loudspeaker,speaker,speaker unit,loudspeaker system,speaker system",
    "03710193": "mailbox,letter box",
    "03759954": "microphone,mike",
    "03761084": "microwave,microwave oven",
    "03790512": "motorcycle,bike",
    "03797390": "mug",
    "03928116": "piano,pianoforte,forte-piano",
    "03938244": "pillow",
    "03948459": "pistol,handgun,side arm,shooting iron",
    "03991062": "pot,flowerpot",
    "04004475": "printer,printing machine",
    "04074963": "remote control,remote",
    "04090263": "rifle",
    "04099429": "rocket,projectile",
    "04225987": "skateboard",
    "04256520": "sofa,couch,lounge",
    "04330267": "stove",
    "04379243": "table",
    "04401088": "telephone,phone,telephone set",
    "04460130": "tower",
    "04468005": "train,railroad train",
    "04530566": "vessel,watercraft",
    "04554684": "washer,automatic washer,washing machine",
}

# Names that are not in ShapeNet's own list, but that most papers and loaders use.
_COMMON_NAMES = {"03085013": "keyboard", "03211117": "monitor", "03790512": "motorbike"}

SYNSETS = {
    synset: tuple(",".join(filter(None, (names, _COMMON_NAMES.get(synset)))).split(","))
    for synset, names in _NAMES.items()
}
"""Synset id -> names, the most common one first."""


def is_synset(folder: str) -> bool:
    """True if a folder's name has the form of a WordNet id in ShapeNet, known here or not."""
    return re.fullmatch(r"0\d{7}", folder, re.ASCII) is not None


def describe(category: str) -> str:
    """A category with its common name, such as `03001627 (chair)`."""
    return f"{category} ({SYNSETS[category][0]})" if category in SYNSETS else category


def synsets(word: str) -> frozenset[str]:
    """Ids that a word may refer to: an id itself, or a name in singular or plural, in any case."""
    if re.fullmatch(r"\d{7,8}", word, re.ASCII):
        return frozenset({word.zfill(8)} & SYNSETS.keys())  # tables read as numbers lose the zero
    return _BY_NAME.get(_fold(word), frozenset())


def match_rank(word: str, category: str) -> int:
    """Rank the match of a user's word with a category of the input, an id or a folder's name.

    Returns:
        3 if they are equal, 2 if they differ only in case or number, 1 if they name the same
        synset, 0 otherwise.
    """
    if category in (word, word.zfill(8)):
        return 3
    a, b = _fold(word), _fold(category)
    if a in _forms(b) or b in _forms(a):
        return 2
    return 1 if synsets(word) & synsets(category) else 0


def close_names(word: str, categories: Iterable[str]) -> list[str]:
    """Up to three names of these categories that resemble an unknown word, the closest first."""
    names = {_fold(name) for one in categories for name in SYNSETS.get(one, (one,))}
    return difflib.get_close_matches(_fold(word), sorted(names), n=3)


def _fold(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.casefold()).strip()


def _forms(name: str) -> frozenset[str]:
    """A folded name and its possible English plurals."""
    found = {name, name + "s"}
    if name.endswith(("s", "x", "z", "ch", "sh", "o")):
        found.add(name + "es")
    for ending, plural in (("fe", "ves"), ("f", "ves"), ("y", "ies")):
        if name.endswith(ending):
            found.add(name.removesuffix(ending) + plural)
    return frozenset(found)


def _index() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for synset, names in SYNSETS.items():
        for form in frozenset[str]().union(*(_forms(_fold(name)) for name in names)):
            found[form] = found.get(form, frozenset()) | {synset}
    return found


_BY_NAME = _index()

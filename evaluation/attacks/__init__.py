"""Attacks on the tables of a shop, defences, and the game of both."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .defences import DEFENCES as DEFENCES
    from .defences import Defended as Defended
    from .defences import defend_shop as defend_shop
    from .detection import DetectedUsers as DetectedUsers
    from .detection import ProfileDetector as ProfileDetector
    from .game import Equilibrium as Equilibrium
    from .game import equilibrium as equilibrium
    from .influence import limit_influence as limit_influence
    from .shop_attack import ATTACKS as ATTACKS
    from .shop_attack import Attack as Attack
    from .shop_attack import attack_shop as attack_shop
    from .shop_attack import choose_targets as choose_targets
    from .text_checks import suspicious_titles as suspicious_titles

_EXPORTS = {
    "ATTACKS": ".shop_attack",  # kinds: profiles of fake users, and texts of items
    "attack_shop": ".shop_attack",  # tables after an attack
    "Attack": ".shop_attack",  # its result, with the cost
    "choose_targets": ".shop_attack",  # unpopular items to promote
    "DEFENCES": ".defences",  # none, normalise, detect, limit, robust, all
    "defend_shop": ".defences",  # tables after a defence, which sees attacked tables only
    "Defended": ".defences",  # its result
    "ProfileDetector": ".detection",  # tells coordinated profiles from other users
    "DetectedUsers": ".detection",  # its result
    "limit_influence": ".influence",  # limited influence of a user and of a group
    "suspicious_titles": ".text_checks",  # titles that may be written to promote an item
    "equilibrium": ".game",  # of attacker and defender, over mixed strategies
    "Equilibrium": ".game",  # its result
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

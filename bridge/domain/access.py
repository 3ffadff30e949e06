"""Who may do what in the console: roles, permissions, and the one table between them. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

CONFIRMED_FOR = timedelta(minutes=10)
"""So long after a login nobody is asked for the password again."""


class Role(StrEnum):
    """What a person is to the console; each may do what the one before may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Permission(StrEnum):
    """One kind of action. Every route of the console names one; PUBLIC needs no login."""

    PUBLIC = "public"
    END_SESSION = "end_session"
    READ_PROBLEMS = "read_problems"
    EXPORT_PROBLEMS = "export_problems"
    SAVE_VIEWS = "save_views"
    SHARE_VIEWS = "share_views"
    READ_SOURCES = "read_sources"
    READ_DEAD_LETTERS = "read_dead_letters"
    READ_LINKS = "read_links"
    READ_ABOUT = "read_about"
    RUN_SOURCES = "run_sources"
    HANDLE_DEAD_LETTERS = "handle_dead_letters"
    HANDLE_LINKS = "handle_links"
    READ_CONFIGURATION = "read_configuration"
    CHANGE_CONFIGURATION = "change_configuration"
    READ_AUDIT = "read_audit"
    MANAGE_USERS = "manage_users"


_VIEWER = frozenset(
    {
        Permission.END_SESSION,
        Permission.READ_PROBLEMS,
        Permission.EXPORT_PROBLEMS,
        Permission.SAVE_VIEWS,
        Permission.READ_SOURCES,
        Permission.READ_DEAD_LETTERS,
        Permission.READ_LINKS,
        Permission.READ_ABOUT,
    }
)
_OPERATOR = _VIEWER | {
    Permission.SHARE_VIEWS,
    Permission.RUN_SOURCES,
    Permission.HANDLE_DEAD_LETTERS,
    Permission.HANDLE_LINKS,
    Permission.READ_CONFIGURATION,
}
_ADMIN = _OPERATOR | {Permission.CHANGE_CONFIGURATION, Permission.READ_AUDIT, Permission.MANAGE_USERS}
PERMISSIONS = MappingProxyType({Role.VIEWER: _VIEWER, Role.OPERATOR: _OPERATOR, Role.ADMIN: _ADMIN})
"""What each role may do, besides what is public."""


class Login(StrEnum):
    """How somebody logged in; DEMO: nobody is asked on the demo's loopback port."""

    TOKEN = "token"  # noqa: S105 -- a word, not a secret
    PASSWORD = "password"  # noqa: S105 -- a word, not a secret
    PROXY = "proxy"
    OIDC = "oidc"
    DEMO = "demo"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who is logged in. `form_key`: what the token in forms is made of, known to this session only;
    empty for programs, which send a token with each request and no forms. `confirmed_at`: when the password was last
    given; None where each request says who sends it.
    """

    name: str
    role: Role
    login: Login
    form_key: bytes
    confirmed_at: datetime | None = None

    def is_confirmed(self, now: datetime) -> bool:
        """May they do what takes a login of the last minutes?"""
        return self.confirmed_at is None or now - self.confirmed_at < CONFIRMED_FOR


def allows(principal: Principal | None, permission: Permission) -> bool:
    """May they? Nobody in particular may what is public."""
    if permission is Permission.PUBLIC:
        return True
    return principal is not None and permission in PERMISSIONS[principal.role]

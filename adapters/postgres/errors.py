"""What can be wrong with the database. Every message is one line for an operator and holds no secret.

DatabaseError
├── WrongUrl
├── Unreachable
│   ├── WrongPassword
│   └── DatabaseMissing
├── ServerTooOld
├── MissingPrivilege
├── LoginTooPowerful
├── OtherMasterKey
├── MigrationRefused
└── EmbeddedPostgresError
"""


class DatabaseError(Exception):
    """The database cannot be used."""


class WrongUrl(DatabaseError):
    """A connection URL cannot be read."""


class Unreachable(DatabaseError):
    """No server answers, or it turns the connection away."""


class WrongPassword(Unreachable):
    """The server does not accept the login."""


class DatabaseMissing(Unreachable):
    """The server has no database of that name."""


class ServerTooOld(DatabaseError):
    """The server is older than PostgreSQL 15."""


class MissingPrivilege(DatabaseError):
    """The login may not do what a migration needs."""


class LoginTooPowerful(DatabaseError):
    """A service's login may do more than it should: row-level security would not bind it."""


class OtherMasterKey(DatabaseError):
    """The database belongs to an installation with another master key."""


class MigrationRefused(DatabaseError):
    """An applied migration was changed, or is unknown to this release."""


class EmbeddedPostgresError(DatabaseError):
    """The embedded server could not be made, started or stopped."""

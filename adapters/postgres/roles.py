"""The three roles: an owner that only migrates, a writer for bulk work, and the API's, bound to one tenant.

Roles belong to the whole server, not to one database. Each login remembers in its comment the fingerprint of the
master key from which its password derives, so that a second installation on one server is refused instead of
taking the logins away from the first.
"""

from collections.abc import Collection

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from adapters.master_key import derive_password, fingerprint
from adapters.postgres.errors import MissingPrivilege, OtherMasterKey

OWNER = "duebook_owner"
WRITER = "duebook_writer"
API = "duebook_api"
LOGINS = (WRITER, API)

_ATTRIBUTES = {
    OWNER: SQL("NOLOGIN NOSUPERUSER NOBYPASSRLS"),
    WRITER: SQL("LOGIN NOSUPERUSER BYPASSRLS"),
    API: SQL("LOGIN NOSUPERUSER NOBYPASSRLS"),
}

RoleRow = tuple[str, bool, bool, bool, str | None]  # name, login, superuser, bypass, comment


def ensure_roles(
    connection: psycopg.Connection, master_key: bytes, derived: Collection[str] = LOGINS
) -> bool:
    """Create or complete the roles; give those in `derived` their password. True if anything was changed.

    Runs in one transaction. Raises MissingPrivilege and OtherMasterKey.
    """
    mark = f"Duebook, master key {fingerprint(master_key)}"
    login = connection.info.user
    try:
        with connection.transaction():
            found = _found(connection)
            changed = [
                _ensure(connection, name, found.get(name), master_key, name in derived, mark)
                for name in _ATTRIBUTES
            ]
            member = connection.execute(
                "SELECT pg_has_role(current_user, %s, 'MEMBER')", (OWNER,)
            ).fetchone()
            if member != (True,):
                connection.execute(
                    SQL("GRANT {} TO {}").format(Identifier(OWNER), Identifier(login))
                )
                changed.append(True)
    except psycopg.errors.InsufficientPrivilege as error:
        raise MissingPrivilege(
            f"the login {login} may not make Duebook's roles: migrate with a superuser, or have one run: "
            f"CREATE ROLE {OWNER} NOLOGIN; CREATE ROLE {WRITER} LOGIN BYPASSRLS; CREATE ROLE {API} LOGIN; "
            f"GRANT {OWNER} TO {login}; then set passwords and name them in DUEBOOK_WRITER_URL and DUEBOOK_API_URL"
        ) from error
    return any(changed)


def set_passwords(
    connection: psycopg.Connection, master_key: bytes, derived: Collection[str] = LOGINS
) -> None:
    """Give the logins their derived passwords again, after somebody changed them by hand."""
    with connection.transaction():
        for name in derived:
            connection.execute(
                SQL("ALTER ROLE {} PASSWORD {}").format(
                    Identifier(name), Literal(_verifier(connection, master_key, name))
                )
            )


def _found(connection: psycopg.Connection) -> dict[str, RoleRow]:
    rows = connection.execute(
        """
        SELECT rolname, rolcanlogin, rolsuper, rolbypassrls, shobj_description(oid, 'pg_authid')
        FROM pg_catalog.pg_roles
        WHERE rolname = ANY (%s)
        """,
        (list(_ATTRIBUTES),),
    ).fetchall()
    return {row[0]: row for row in rows}


def _ensure(
    connection: psycopg.Connection,
    name: str,
    row: RoleRow | None,
    master_key: bytes,
    derived: bool,
    mark: str,
) -> bool:
    role, attributes = Identifier(name), _ATTRIBUTES[name]
    wanted = (name != OWNER, False, name == WRITER)
    comment = row[4] if row else None
    changed = False
    if row is None:
        connection.execute(SQL("CREATE ROLE {} {}").format(role, attributes))
        changed = True
    elif row[1:4] != wanted:
        connection.execute(SQL("ALTER ROLE {} {}").format(role, attributes))
        changed = True
    if derived and comment != mark:
        if comment is not None and comment.startswith("Duebook, master key "):
            raise OtherMasterKey(
                f"the role {name} on this server belongs to an installation with another master key: "
                "use that key's file, another server, or DUEBOOK_WRITER_URL and DUEBOOK_API_URL"
            )
        verifier = _verifier(connection, master_key, name)
        connection.execute(SQL("ALTER ROLE {} PASSWORD {}").format(role, Literal(verifier)))
        connection.execute(SQL("COMMENT ON ROLE {} IS {}").format(role, Literal(mark)))
        changed = True
    return changed


def _verifier(connection: psycopg.Connection, master_key: bytes, name: str) -> str:
    """A SCRAM verifier made on this side, so that the password itself reaches no server log."""
    secret = derive_password(master_key, name).encode()
    return connection.pgconn.encrypt_password(secret, name.encode(), b"scram-sha-256").decode()

"""Whether the account of the database may do what the server does.

Where another account migrates, what it makes is its own, and nobody else may use it until that is
granted.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models import Base

_MISSING = text("""
SELECT c.relname FROM pg_class c
WHERE c.relname = ANY(:tables) AND c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid)
    AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
        AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
UNION
SELECT s.relname FROM pg_class s
    JOIN pg_depend d ON d.objid = s.oid AND d.deptype = 'a'
    JOIN pg_class c ON c.oid = d.refobjid
WHERE c.relname = ANY(:tables) AND pg_table_is_visible(c.oid)
    -- In this order alone: of anything else it would be an error to ask.
    AND CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE') END
ORDER BY 1
""")


async def missing_privileges(connection: AsyncConnection) -> Sequence[str]:
    """The tables and sequences of the server that its account may not use; none on SQLite."""
    if connection.dialect.name == "sqlite":
        return []
    tables = sorted(Base.metadata.tables)
    return (await connection.scalars(_MISSING, {"tables": tables})).all()

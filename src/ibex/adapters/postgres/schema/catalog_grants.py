"""Catalog queries: who may do what. Each returns (key, definition).

The owner's name never matters, because it differs between databases: the owner's rights are listed only
where some were taken away, and a grant is named by its grantee alone. MAINTAIN exists from PostgreSQL 17 on
and is left out.
"""


def _grants(kind: str, catalog: str, acl: str, owner: str, name: str, default_kind: str, where: str) -> str:
    """One row for each grantee with the rights that it holds, and one for an owner that lacks some."""
    return f"""
SELECT 'grant on {kind} ' || {name} || ' to ' || coalesce(r.rolname, 'PUBLIC') AS key,
  string_agg(g.privilege_type || CASE WHEN g.is_grantable THEN ' with grant option' ELSE '' END, ', '
             ORDER BY g.privilege_type) AS definition
FROM {catalog}
CROSS JOIN LATERAL aclexplode(coalesce({acl}, acldefault({default_kind}, {owner}))) AS g
LEFT JOIN pg_roles r ON r.oid = g.grantee
WHERE {where} AND g.grantee <> {owner} AND g.privilege_type <> 'MAINTAIN'
GROUP BY 1
UNION ALL
SELECT 'taken from the owner of {kind} ' || {name},
  string_agg(d.privilege_type, ', ' ORDER BY d.privilege_type)
FROM {catalog}
CROSS JOIN LATERAL aclexplode(acldefault({default_kind}, {owner})) AS d
WHERE {where} AND d.grantee = {owner} AND d.privilege_type <> 'MAINTAIN' AND NOT EXISTS (
  SELECT FROM aclexplode(coalesce({acl}, acldefault({default_kind}, {owner}))) AS held
  WHERE held.grantee = {owner} AND held.privilege_type = d.privilege_type)
GROUP BY 1
"""


_IN_SCHEMA = "c.relnamespace = to_regnamespace('ibex')"

QUERIES = (
    _grants(
        "schema",
        "pg_namespace n",
        "n.nspacl",
        "n.nspowner",
        "n.nspname",
        "'n'",
        "n.oid = to_regnamespace('ibex')",
    ),
    _grants(
        "table",
        "pg_class c",
        "c.relacl",
        "c.relowner",
        "c.relname",
        "'r'",
        f"{_IN_SCHEMA} AND c.relkind IN ('r', 'p', 'f', 'v', 'm')",
    ),
    _grants(
        "sequence",
        "pg_class c",
        "c.relacl",
        "c.relowner",
        "c.relname",
        "'s'",
        f"{_IN_SCHEMA} AND c.relkind = 'S'",
    ),
    _grants(
        "function",
        "pg_proc p",
        "p.proacl",
        "p.proowner",
        "format('%s(%s)', p.proname, pg_get_function_identity_arguments(p.oid))",
        "'f'",
        "p.pronamespace = to_regnamespace('ibex')",
    ),
    """
SELECT 'grant on column ' || c.relname || '.' || a.attname || ' to ' || coalesce(r.rolname, 'PUBLIC'),
  string_agg(g.privilege_type, ', ' ORDER BY g.privilege_type)
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
CROSS JOIN LATERAL aclexplode(a.attacl) AS g
LEFT JOIN pg_roles r ON r.oid = g.grantee
WHERE c.relnamespace = to_regnamespace('ibex') AND NOT a.attisdropped AND g.grantee <> c.relowner
GROUP BY 1
""",
    """
SELECT format('default grant on %s to %s', d.defaclobjtype, coalesce(r.rolname, 'PUBLIC')),
  string_agg(g.privilege_type, ', ' ORDER BY g.privilege_type)
FROM pg_default_acl d
CROSS JOIN LATERAL aclexplode(d.defaclacl) AS g
LEFT JOIN pg_roles r ON r.oid = g.grantee
WHERE d.defaclnamespace = to_regnamespace('ibex') AND g.grantee <> d.defaclrole
GROUP BY 1
""",
)

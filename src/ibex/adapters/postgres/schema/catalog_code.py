"""Catalog queries: types, functions, triggers, rules, views, policies. Each returns (key, definition)."""

_ENUMS = """
SELECT 'enum ' || t.typname AS key,
  (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
   FROM pg_enum e WHERE e.enumtypid = t.oid) AS definition
FROM pg_type t WHERE t.typnamespace = to_regnamespace('ibex') AND t.typtype = 'e'
"""

_DOMAINS = """
SELECT 'domain ' || t.typname,
  concat_ws(' ', format_type(t.typbasetype, t.typtypmod), CASE WHEN t.typnotnull THEN 'not null' END,
    'default ' || t.typdefault)
FROM pg_type t WHERE t.typnamespace = to_regnamespace('ibex') AND t.typtype = 'd'
"""

_OTHER_TYPES = """
SELECT 'type ' || t.typname,
  CASE t.typtype WHEN 'c' THEN 'composite' WHEN 'r' THEN 'range of ' || format_type(r.rngsubtype, NULL)
    WHEN 'b' THEN 'base' ELSE t.typtype::text END
FROM pg_type t
LEFT JOIN pg_range r ON r.rngtypid = t.oid
LEFT JOIN pg_class c ON c.oid = t.typrelid AND t.typrelid <> 0
WHERE t.typnamespace = to_regnamespace('ibex') AND t.typtype IN ('c', 'r', 'b')
  AND (c.relkind IS NULL OR c.relkind = 'c') AND t.typelem = 0
"""

_FUNCTIONS = """
SELECT format('function %s(%s)', p.proname, pg_get_function_identity_arguments(p.oid)),
  concat_ws(' ',
    CASE p.prokind WHEN 'f' THEN 'function' WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate'
      ELSE 'window' END,
    '(' || pg_get_function_arguments(p.oid) || ')', 'returns ' || pg_get_function_result(p.oid),
    'language ' || l.lanname,
    CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
    CASE WHEN p.proisstrict THEN 'strict' END, CASE WHEN p.proleakproof THEN 'leakproof' END,
    CASE p.proparallel WHEN 's' THEN 'parallel safe' WHEN 'r' THEN 'parallel restricted'
      ELSE 'parallel unsafe' END,
    CASE WHEN p.prosecdef THEN 'security definer' ELSE 'security invoker' END,
    'cost ' || p.procost, CASE WHEN p.proretset THEN 'rows ' || p.prorows END,
    'set ' || array_to_string(p.proconfig, ', '),
    E'as\\n' || coalesce(pg_get_function_sqlbody(p.oid), CASE WHEN p.prokind <> 'a' THEN p.prosrc END))
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = to_regnamespace('ibex')
"""

_TRIGGERS = """
SELECT 'trigger ' || c.relname || '.' || t.tgname,
  pg_get_triggerdef(t.oid) || CASE t.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN ' -- DISABLED'
    WHEN 'R' THEN ' -- replica only' ELSE ' -- always' END
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = to_regnamespace('ibex') AND NOT t.tgisinternal
"""

# A foreign key is kept by internal triggers: one that is switched off looks untouched everywhere else.
_FOREIGN_KEYS_SWITCHED_OFF = """
SELECT format('foreign key check %s.%s on %s', k.conrelid::regclass, k.conname, c.relname), 'DISABLED'
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_constraint k ON k.oid = t.tgconstraint
WHERE c.relnamespace = to_regnamespace('ibex') AND t.tgisinternal AND t.tgenabled <> 'O'
GROUP BY 1
"""

_RULES = """
SELECT 'rule ' || c.relname || '.' || r.rulename, pg_get_ruledef(r.oid)
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
WHERE c.relnamespace = to_regnamespace('ibex') AND r.rulename <> '_RETURN'
"""

_VIEWS = """
SELECT CASE c.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || c.relname,
  concat_ws(E'\\n', 'options ' || array_to_string(c.reloptions, ', '), pg_get_viewdef(c.oid))
FROM pg_class c WHERE c.relnamespace = to_regnamespace('ibex') AND c.relkind IN ('v', 'm')
"""

_POLICIES = """
SELECT 'policy ' || c.relname || '.' || p.polname,
  concat_ws(' ', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
    CASE p.polcmd WHEN '*' THEN 'for all' WHEN 'r' THEN 'for select' WHEN 'a' THEN 'for insert'
      WHEN 'w' THEN 'for update' ELSE 'for delete' END,
    'to ' || (SELECT string_agg(coalesce(r.rolname, 'PUBLIC'), ', ' ORDER BY r.rolname)
              FROM unnest(p.polroles) AS role_id LEFT JOIN pg_roles r ON r.oid = role_id),
    'using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
    'with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
WHERE c.relnamespace = to_regnamespace('ibex')
"""

QUERIES = (
    _ENUMS,
    _DOMAINS,
    _OTHER_TYPES,
    _FUNCTIONS,
    _TRIGGERS,
    _FOREIGN_KEYS_SWITCHED_OFF,
    _RULES,
    _VIEWS,
    _POLICIES,
)
